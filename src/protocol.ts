/**
 * The messages between the extension host and the page of the span map. The page asks and the host replies; the host
 * says unasked only that something changed or how far a task is. Both sides check whatever arrives: the page could
 * have been tampered with, and an old page may meet a new host after an update.
 *
 * This file is bundled into both sides and therefore knows neither Node nor the DOM nor `vscode`.
 */
import type {
  Cell,
  Cells,
  CellsQuery,
  EntriesPage,
  EntriesQuery,
  EntryRow,
  Forecast,
  LayerSpans,
  Network,
  Node,
  Overview,
  Plan,
  PlanLayer,
  PlanTrace,
  PullMode,
  Settings,
  SpanDetail,
  SpanFile,
  SpanSizeRow,
} from './plan/types';

/** What `createIndex` shall make; the host asks for the destination and shows what it will do before it does it. */
export interface IndexOrder {
  readonly spanSize: number;
  readonly minLayerSize: number;
  /** Also write prefetch artifacts that list exactly the touched spans. */
  readonly prefetch: boolean;
}

/** Every question of the page, with the shape of its body and of its reply. */
export interface Requests {
  /** `null` asks for the host's own settings: the first question of a fresh page. */
  overview: { ask: { settings: Settings | null }; reply: Overview };
  cells: { ask: CellsQuery; reply: Cells };
  span: { ask: { layer: number; spanSize: number; span: number }; reply: SpanDetail };
  entries: { ask: EntriesQuery; reply: EntriesPage };
  /** Answered when the index is pushed (`done` says where) or the person cancelled it (`done` is null). */
  createIndex: { ask: IndexOrder; reply: { done: string | null } };
  /** Record a start of the container; the new picture comes by `changed`. */
  recordStart: { ask: Record<string, never>; reply: { done: string | null } };
  exportReport: { ask: Record<string, never>; reply: { done: string | null } };
  openEntry: { ask: { layer: number; entry: number }; reply: { done: string | null } };
}
export type RequestName = keyof Requests;

/** What the host says unasked. */
export interface Events {
  /** The picture is a new one (a layer was scanned, a trace recorded): ask again. */
  changed: Record<string, never>;
  /** Long work of the host; `step` null when none is running. */
  progress: { step: string | null; done: number | null; total: number | null };
}
export type EventName = keyof Events;

/** An error as it crosses the wall: the fields of LensError. */
export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly advice: string;
}

export type ToHost = {
  [N in RequestName]: { kind: 'ask'; id: number; name: N; body: Requests[N]['ask'] };
}[RequestName];
export type ToPage =
  | { kind: 'reply'; id: number; body: unknown }
  | { kind: 'failure'; id: number; error: WireError }
  | { [N in EventName]: { kind: 'event'; name: N; body: Events[N] } }[EventName];

/** A message that is not of this protocol. Its text names the place and what was expected there, never the content. */
export class ProtocolError extends Error {
  constructor(where: string, expected: string) {
    super(`${where} is not ${expected}.`);
    this.name = 'ProtocolError';
  }
}

/** Gives `value` back as a `T`, or throws ProtocolError. `where` is the path to it, for the message. */
export type Check<T> = (value: unknown, where: string) => T;

/** Longest text and list that either side takes: far above what the picture sends, far below what would hurt. */
const LONGEST_TEXT = 16_384;
const LONGEST_LIST = 20_000;

const number =
  (min: number, max: number, whole: boolean): Check<number> =>
  (value, where) => {
    if (typeof value !== 'number' || !(value >= min && value <= max) || (whole && !Number.isInteger(value))) {
      throw new ProtocolError(where, `${whole ? 'a whole number' : 'a number'} from ${min} to ${max}`);
    }
    return value;
  };

const count = number(0, Number.MAX_SAFE_INTEGER, true);
const amount = number(0, Number.MAX_VALUE, false);

const text: Check<string> = (value, where) => {
  if (typeof value !== 'string' || value.length > LONGEST_TEXT) throw new ProtocolError(where, 'a text');
  return value;
};

const flag: Check<boolean> = (value, where) => {
  if (typeof value !== 'boolean') throw new ProtocolError(where, 'true or false');
  return value;
};

const oneOf =
  <const T extends string>(values: readonly T[]): Check<T> =>
  (value, where) => {
    const found = values.find((one) => one === value);
    if (found === undefined) throw new ProtocolError(where, `one of ${values.join(', ')}`);
    return found;
  };

const orNull =
  <T>(check: Check<T>): Check<T | null> =>
  (value, where) =>
    value === null ? null : check(value, where);

const list =
  <T>(check: Check<T>): Check<T[]> =>
  (value, where) => {
    if (!Array.isArray(value) || value.length > LONGEST_LIST) throw new ProtocolError(where, 'a list');
    return value.map((item, index) => check(item, `${where}[${index}]`));
  };

const pair: Check<readonly [number, number]> = (value, where) => {
  const items = list(count)(value, where);
  const [a, b] = items;
  if (items.length !== 2 || a === undefined || b === undefined) throw new ProtocolError(where, 'a pair');
  return [a, b];
};

/** An object with exactly these fields: what is not named does not get through. */
const object =
  <T extends object>(fields: { readonly [K in keyof T]-?: Check<T[K]> }): Check<T> =>
  (value, where) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new ProtocolError(where, 'an object');
    const source = new Map<string, unknown>(Object.entries(value));
    const result: Partial<T> = {};
    for (const key in fields) result[key] = fields[key](source.get(key), `${where}.${key}`);
    return result as T; // Every key of T has been set by the loop above.
  };

const nothing = object<Record<string, never>>({});
const outcome = object<{ done: string | null }>({ done: orNull(text) });
const spanSize = number(1, 2 ** 40, true);

const network = object<Network>({ rttMs: number(0, 60_000, false), bytesPerSecond: number(1, 1e15, false) });
const node = object<Node>({ cores: number(1, 4096, true), unpackBytesPerSecond: number(1, 1e15, false) });
const settings = object<Settings>({ spanSize: orNull(spanSize), minLayerSize: count, network });

/** The settings that a page kept of itself; undefined for anything else, such as an older page's. */
export function parseSettings(value: unknown): Settings | undefined {
  try {
    return settings(value, 'settings');
  } catch {
    return undefined;
  }
}

const forecast = object<Forecast>({
  mode: oneOf<PullMode>(['docker-pull', 'parallel-pull', 'lazy', 'lazy-prefetch']),
  pullSeconds: amount,
  startSeconds: amount,
  totalSeconds: amount,
  requests: count,
  bytes: count,
});

const planLayer = object<PlanLayer>({
  index: count,
  digest: text,
  mediaType: text,
  size: count,
  uncompressedSize: orNull(count),
  files: orNull(count),
  instruction: orNull(text),
  indexed: flag,
  notIndexed: orNull(text),
  touchedFiles: count,
  touchedBytes: count,
});

const row = object<SpanSizeRow>({
  spanSize,
  spans: count,
  touchedSpans: count,
  spanBytes: count,
  inflatedBytes: count,
  waste: number(0, 1, false),
  ztocBytes: count,
  serialFetches: count,
  lazy: forecast,
  prefetch: forecast,
});

const planTrace = object<PlanTrace>({
  files: count,
  readyMs: orNull(amount),
  mapped: count,
  excluded: count,
  unmapped: count,
  examples: list(object<PlanTrace['examples'][number]>({ path: text, reason: text })),
});

const version: Check<1> = (value, where) => {
  if (value !== 1) throw new ProtocolError(where, 'version 1');
  return value;
};

const plan = object<Plan>({
  version,
  image: object<Plan['image']>({ reference: text, digest: text, platform: text }),
  network,
  node,
  minLayerSize: count,
  layers: list(planLayer),
  trace: orNull(planTrace),
  rows: list(row),
  choice: object<Plan['choice']>({ spanSize, reason: text }),
  modes: list(forecast),
  prefetch: list(object<LayerSpans>({ layer: count, digest: text, spans: list(pair) })),
  notes: list(text),
});

const cell = object<Cell>({
  first: count,
  last: count,
  touched: count,
  start: count,
  end: count,
  at: orNull(amount),
});

/** The checks of every request, of what is asked and of what is replied. */
const requests: {
  readonly [N in RequestName]: { ask: Check<Requests[N]['ask']>; reply: Check<Requests[N]['reply']> };
} = {
  overview: {
    ask: object<Requests['overview']['ask']>({ settings: orNull(settings) }),
    reply: object<Overview>({ plan, spanSize, pending: count }),
  },
  cells: {
    ask: object<CellsQuery>({
      layer: count,
      spanSize,
      start: count,
      end: count,
      limit: number(1, 4096, true),
    }),
    reply: object<Cells>({
      layer: count,
      spanSize,
      spans: count,
      touched: count,
      fetchedBytes: count,
      cells: list(cell),
    }),
  },
  span: {
    ask: object<Requests['span']['ask']>({ layer: count, spanSize, span: count }),
    reply: object<SpanDetail>({
      layer: count,
      spanSize,
      span: count,
      compressed: pair,
      uncompressed: pair,
      touchedBytes: count,
      fetched: flag,
      at: orNull(amount),
      files: list(object<SpanFile>({ entry: count, path: text, size: count, inside: count, touched: count })),
      fileCount: count,
    }),
  },
  entries: {
    ask: object<EntriesQuery>({
      layer: count,
      offset: count,
      limit: number(1, 500, true),
      filter: text,
      touchedOnly: flag,
    }),
    reply: object<EntriesPage>({
      total: count,
      rows: list(
        object<EntryRow>({
          entry: count,
          path: text,
          type: text,
          size: count,
          touched: count,
          at: orNull(amount),
        }),
      ),
    }),
  },
  createIndex: { ask: object<IndexOrder>({ spanSize, minLayerSize: count, prefetch: flag }), reply: outcome },
  recordStart: { ask: nothing, reply: outcome },
  exportReport: { ask: nothing, reply: outcome },
  openEntry: { ask: object<Requests['openEntry']['ask']>({ layer: count, entry: count }), reply: outcome },
};

const events: { readonly [N in EventName]: Check<Events[N]> } = {
  changed: nothing,
  progress: object<Events['progress']>({ step: orNull(text), done: orNull(amount), total: orNull(amount) }),
};

const requestNames = Object.keys(requests) as RequestName[]; // The table has exactly these keys, by its type.
const eventNames = Object.keys(events) as EventName[]; // Likewise.
const wireError = object<WireError>({ code: text, message: text, advice: text });

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
