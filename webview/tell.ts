/** What the page tells a person beside its picture: news for the live region, and what went wrong. */
import { HostError } from '../src/protocol';
import { byId } from './dom';
import { t } from './text';

/** Said by screen readers when they have nothing else to say. */
export function announce(text: string): void {
  byId('status').textContent = text;
}

/** Shows what failed, and what to do about it. */
export function fail(error: unknown): void {
  byId('page').setAttribute('aria-busy', 'false');
  byId('alert').textContent =
    error instanceof HostError
      ? `${error.message} ${error.advice}`
      : error instanceof Error
        ? error.message
        : String(error);
}

/** Takes the last failure away. */
export function silence(): void {
  byId('alert').textContent = '';
}

/** Work that nobody waits for: its failure is shown. */
export function guard(work: Promise<unknown>): void {
  work.catch(fail);
}

export function copy(text: string): void {
  guard(
    navigator.clipboard.writeText(text).then(() => {
      announce(t('Copied.'));
    }),
  );
}
