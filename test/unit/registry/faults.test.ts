import { startFakeRegistry } from '../../support/fake-registry';
import { describeFaults } from '../../support/registry-faults';

describeFaults('a registry in memory', () => startFakeRegistry(), true);
