import { startRegistry } from '../support/registry';
import { describeFaults } from '../support/registry-faults';

describeFaults('docker-registry 2.8', () => startRegistry(), false);
