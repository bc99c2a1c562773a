/**
 * The messages between the extension host and the page of the span map. The page asks and the host replies; the host
 * says unasked only that something changed or how far a task is. Both sides check whatever arrives: the page could
 * have been tampered with, and an old page may meet a new host after an update.
 *
 * This file is bundled into both sides and therefore knows neither Node nor the DOM nor `vscode`.
 */
import { oneOf } from './protocol/checks';
import { events, requests, wireError } from './protocol/messages';
import type { EventName, Events, RequestName, Requests, WireError } from './protocol/messages';
import { settings } from './protocol/plan';
import type { Settings } from './plan/picture/types';

export { ProtocolError } from './protocol/checks';
export type {
  CompareQuery,
  EventName,
  Events,
  IndexOrder,
  Outcome,
  RequestName,
  Requests,
  WireError,
} from './protocol/messages';

export type ToHost = {
  [N in RequestName]: { kind: 'ask'; id: number; name: N; body: Requests[N]['ask'] };
}[RequestName];
export type ToPage =
  | { kind: 'reply'; id: number; body: unknown }
  | { kind: 'failure'; id: number; error: WireError }
  | { [N in EventName]: { kind: 'event'; name: N; body: Events[N] } }[EventName];

/** The settings that a page kept of itself; undefined for anything else, such as an older page's. */
export function parseSettings(value: unknown): Settings | undefined {
  try {
    return settings(value, 'settings');
  } catch {
    return undefined;
  }
}

const requestNames = Object.keys(requests) as RequestName[]; // The table has exactly these keys, by its type.
const eventNames = Object.keys(events) as EventName[]; // Likewise.

/** One function per question. It may take its time; a rejection becomes the page's rejection. */
export type Handlers = {
  readonly [N in RequestName]: (
    body: Requests[N]['ask'],
  ) => Promise<Requests[N]['reply']> | Requests[N]['reply'];
};

/** The host's end of the line. */
export interface HostEnd {
  /** To be called with every message that the page posts. Never throws and never rejects. */
  receive(message: unknown): Promise<void>;
  /** Says something unasked. */
  tell<N extends EventName>(name: N, body: Events[N]): void;
}

/**
 * Serves one page. `post` carries a message to it; `wire` turns whatever a handler threw into words for a person.
 * A message that is not of this protocol is answered with an error where it has an id, and else dropped.
 */
export function serve(
  post: (message: ToPage) => void,
  handlers: Handlers,
  wire: (error: unknown) => WireError,
): HostEnd {
  async function answer<N extends RequestName>(name: N, body: unknown): Promise<Requests[N]['reply']> {
    return handlers[name](requests[name].ask(body, name));
  }
  return {
    async receive(message) {
      const id = idOf(message);
      if (id === undefined) return;
      try {
        const name = oneOf(requestNames)(field(message, 'name'), 'The name of the request');
        post({ kind: 'reply', id, body: await answer(name, field(message, 'body')) });
      } catch (error) {
        post({ kind: 'failure', id, error: wire(error) });
      }
    },
    tell(name, body) {
      // `name` and `body` belong together by the signature; the union cannot see it.
      post({ kind: 'event', name, body } as ToPage);
    },
  };
}

/** What a failed question rejects with, on the page. */
export class HostError extends Error {
  readonly code: string;
  readonly advice: string;
  constructor(error: WireError) {
    super(error.message);
    this.name = 'HostError';
    this.code = error.code;
    this.advice = error.advice;
  }
}

/** The page's end of the line. */
export interface PageEnd {
  ask<N extends RequestName>(name: N, body: Requests[N]['ask']): Promise<Requests[N]['reply']>;
  /** To be called with every message that the host posts. Foreign ones are dropped; a damaged event throws ProtocolError. */
  receive(message: unknown): void;
}

export function connectHost(
  post: (message: ToHost) => void,
  listeners: { readonly [N in EventName]: (body: Events[N]) => void },
): PageEnd {
  const waiting = new Map<number, { resolve: (body: unknown) => void; reject: (error: Error) => void }>();
  let lastId = 0;

  function hear(name: EventName, body: unknown): void {
    switch (name) {
      case 'changed':
        listeners.changed(events.changed(body, name));
        break;
      case 'progress':
        listeners.progress(events.progress(body, name));
        break;
    }
  }

  return {
    ask(name, body) {
      const id = ++lastId;
      return new Promise((resolve, reject) => {
        waiting.set(id, {
          resolve: (reply) => {
            resolve(requests[name].reply(reply, name));
          },
          reject,
        });
        // `name` and `body` belong together by the signature; the union cannot see it.
        post({ kind: 'ask', id, name, body } as ToHost);
      });
    },
    receive(message) {
      const kind = field(message, 'kind');
      if (kind === 'event') {
        const name = eventNames.find((one) => one === field(message, 'name'));
        if (name !== undefined) hear(name, field(message, 'body'));
        return;
      }
      const id = idOf(message);
      const caller = id === undefined ? undefined : waiting.get(id);
      if (id === undefined || caller === undefined) return;
      waiting.delete(id);
      try {
        if (kind === 'reply') caller.resolve(field(message, 'body'));
        else caller.reject(new HostError(wireError(field(message, 'error'), 'error')));
      } catch (error) {
        caller.reject(error instanceof Error ? error : new Error(String(error)));
      }
    },
  };
}

function field(message: unknown, key: string): unknown {
  return typeof message === 'object' && message !== null
    ? new Map<string, unknown>(Object.entries(message)).get(key)
    : undefined;
}

function idOf(message: unknown): number | undefined {
  const id = field(message, 'id');
  return typeof id === 'number' && Number.isSafeInteger(id) ? id : undefined;
}
