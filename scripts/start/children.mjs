// The child processes of `npm start`: what one prints, and that none outlives it.
import { spawn } from 'node:child_process';

const running = new Set();

/** Starts a program that ends at the latest with this one. */
export function start(command, args, options = {}) {
  const child = spawn(command, args, options);
  running.add(child);
  child.once('close', () => running.delete(child));
  child.once('error', () => running.delete(child));
  return child;
}

/** Waits for a program to end; its stdout comes back as text, its stderr (progress) goes to the terminal as it comes. */
export function finish(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = start(command, args, { stdio: ['ignore', 'pipe', 'inherit'], ...options });
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk) => (text += chunk));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 1, text }));
  });
}

export function stopAll(signal = 'SIGTERM') {
  for (const child of running) child.kill(signal);
}
