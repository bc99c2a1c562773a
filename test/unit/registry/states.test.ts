import { startFakeRegistry } from '../../support/fake-registry';
import { describeStates } from '../../support/fault-states';

describeStates('a registry in memory', () => startFakeRegistry());
