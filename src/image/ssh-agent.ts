import { spawn } from 'node:child_process';
import http from 'node:http';
import { Duplex, Readable, Writable } from 'node:stream';

/**
 * An HTTP agent whose every connection is `ssh HOST docker system dial-stdio`, as the Docker CLI itself connects to
 * `ssh://` hosts; a path in the address is that of the engine's socket over there. The system's `ssh` is used, so the
 * person's keys, config and known hosts hold.
 */
export function sshAgent(url: URL, program = 'ssh'): http.Agent {
  const socket = decodeURIComponent(url.pathname).replace(/^\/$/, '');
  // The far shell reads the command again, so what comes from the address is quoted.
  const engine = socket === '' ? [] : ['--host', `'unix://${socket.replaceAll("'", "'\\''")}'`];
  const args = [
    ...(url.username ? ['-l', decodeURIComponent(url.username)] : []),
    ...(url.port ? ['-p', url.port] : []),
    '-o',
    'ConnectTimeout=30',
    '-o',
    'BatchMode=yes',
    '-T',
    '--',
    url.hostname,
    ['docker', ...engine, 'system dial-stdio'].join(' '),
  ];
  return new (class extends http.Agent {
    override createConnection(): Duplex {
      const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true });
      let complaint = '';
      child.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-500)));
      const ended = new Promise<number | null>((resolve, reject) => {
        child.once('error', reject);
        child.once('close', resolve);
      });
      ended.catch(() => undefined);
      // The end of the output alone would look like an engine that hangs up; ssh knows better what went wrong.
      const output = async function* (): AsyncGenerator<Uint8Array> {
        yield* child.stdout as AsyncIterable<Uint8Array>;
        const code = await ended;
        if (code !== 0) throw new Error(complaint.trim() || `ssh ended with exit code ${String(code)}`);
      };
      // Nor does it help that an ssh which is gone takes no more input.
      child.stdin.on('error', () => undefined);
      const input = new Writable({
        write: (chunk: Uint8Array, _, done) => {
          child.stdin.write(chunk, () => {
            done();
          });
        },
        final: (done) => {
          child.stdin.end(done);
        },
      });
      const socket = Duplex.from({
        readable: Readable.from(output(), { objectMode: false }),
        writable: input,
      });
      socket.once('close', () => child.kill());
      return socket;
    }
  })({ keepAlive: false });
}
