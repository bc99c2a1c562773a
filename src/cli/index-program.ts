/**
 * What `soci-lens index` needs of the program, a third of it, as a bundle of its own: until it is loaded, the threads that read the layers have nothing
 * to do.
 */
import { indexCommand } from './make-index';

export { runCli } from './run';
export { Terminal } from './terminal';

export const COMMANDS = [indexCommand];
