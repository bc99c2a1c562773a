/**
 * What the tracer costs a start: fx-py until its ready line, traced and untraced in turn, by the same clock. A process of its
 * own with the number of rounds as its argument; needs DOCKER_HOST. `npm run bench` prints the table.
 */
import { ensureImage } from '../support/engine';
import { record } from '../support/tracing';

const KINDS = [
  { kind: 'level 2, the default', options: {} },
  { kind: 'level 3, metadata too', options: { level: 3 } },
  { kind: 'level 2 without a filter', options: { tracerFlags: ['-N'] } },
] as const;

async function main(rounds: number): Promise<void> {
  const image = await ensureImage('fx-py');
  const times = KINDS.map(({ kind }) => ({ kind, traced: [] as number[], untraced: [] as number[] }));
  for (let round = 0; round < rounds; round++) {
    for (const [index, { options }] of KINDS.entries()) {
      const { trace } = await record(image, { ...options, ready: 'log=^ready', timeUntraced: true });
      times[index]?.traced.push(trace.footer?.t_ready ?? NaN);
      times[index]?.untraced.push(trace.header.untraced_ready ?? NaN);
    }
  }
  console.log(JSON.stringify(times));
}

void main(Number(process.argv[2]));
