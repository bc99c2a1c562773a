import { spawn } from 'node:child_process';
import http from 'node:http';
import { Duplex } from 'node:stream';

/**
 * An HTTP agent whose every connection is `ssh HOST docker system dial-stdio`, as the Docker CLI itself connects to
 * `ssh://` hosts. The system's `ssh` is used, so the person's keys, config and known hosts hold.
 */
export function sshAgent(url: URL, program = 'ssh'): http.Agent {
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
    'docker system dial-stdio',
  ];
  return new (class extends http.Agent {
    override createConnection(): Duplex {
      const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true });
      const socket = Duplex.from({ readable: child.stdout, writable: child.stdin });
      let complaint = '';
      child.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-500)));
      child.once('error', (error) => socket.destroy(error));
      child.once('exit', (code) => {
        if (code !== 0)
          socket.destroy(new Error(complaint.trim() || `ssh ended with exit code ${String(code)}`));
      });
      socket.once('close', () => child.kill());
      return socket;
    }
  })({ keepAlive: false });
}
