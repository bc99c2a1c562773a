import { startRegistry } from '../support/registry';
import { describeStates } from '../support/fault-states';
import { describeFaults } from '../support/registry-faults';

describeFaults('docker-registry 2.8', () => startRegistry(), false);
describeStates('docker-registry 2.8', () => startRegistry(), ['PUT tag', 'GET blob']);
