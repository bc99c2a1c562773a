// The start of the program `soci-lens`: dist/cli.js. All else is in dist/program.js, and for `index` in dist/index-program.js.
import { startWorker } from '../layer/pool';
import { EXIT } from './command';

const argv = process.argv.slice(2);
// Who makes an index reads layers: the first thread for that starts while the program is loaded.
const worker = argv[0] === 'index' ? startWorker() : undefined;

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // Once is a request to clean up and end, twice is an order.
    if (stop.signal.aborted) process.exit(EXIT.interrupted);
    stop.abort();
  });
}
// A pipe that is closed early (`| head`) wants no more output; that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.done);
  throw error;
});

// A run that ends without a verdict has failed.
process.exitCode = EXIT.failed;
const program = argv[0] === 'index' ? import('./index-program') : import('./program');
void program.then(async ({ COMMANDS, runCli, Terminal }) => {
  const terminal = new Terminal(process.stdout, process.stderr, process.stdin);
  process.exitCode = await runCli(COMMANDS, argv, terminal, stop.signal, { worker });
});
