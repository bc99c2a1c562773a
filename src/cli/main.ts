// The program `soci-lens`: dist/cli.js.
import { EXIT } from './command';
import { runCli } from './run';
import { Terminal } from './terminal';

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
const terminal = new Terminal(process.stdout, process.stderr, process.stdin);
void runCli(process.argv.slice(2), terminal, stop.signal).then((code) => {
  process.exitCode = code;
});
