/** Names of what is being written beside its place, so that what killed processes left can be told from work. */
import { randomUUID } from 'node:crypto';
import { isAlive } from '../alive';

const NAME = /^\.(\d+)-/;

export function temporaryName(): string {
  return `.${process.pid}-${randomUUID()}`;
}

/** Who writes there: a process that lives, one that is gone, or nobody, since the name is none of these. */
export function writerOf(name: string): 'alive' | 'gone' | undefined {
  const pid = NAME.exec(name)?.[1];
  if (pid === undefined) return undefined;
  return isAlive(Number(pid)) ? 'alive' : 'gone';
}
