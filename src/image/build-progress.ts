/** What one line of a build's answer says. */
export interface BuildMessage {
  /** Lines for the log. */
  readonly lines: readonly string[];
  /** The step that begins, as the builder names it. */
  readonly step?: string;
  readonly error?: string;
  readonly imageId?: string;
}

const NOTHING: BuildMessage = { lines: [] };

/**
 * Reads one line of the answer to `POST /build` (Docker Engine API; moby `jsonmessage.JSONMessage`), of the classic builder
 * or of BuildKit, whose own progress comes as base64 of its protobuf.
 */
export function parseBuildMessage(line: string): BuildMessage {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return line.trim() === '' ? NOTHING : { lines: [line] };
  }
  if (typeof value !== 'object' || value === null) return NOTHING;
  if ('error' in value) return { lines: [], error: text(value.error) };
  if ('aux' in value) {
    const { aux } = value;
    if (typeof aux === 'string') return readStatus(Buffer.from(aux, 'base64'));
    const imageId = typeof aux === 'object' && aux !== null && 'ID' in aux ? text(aux.ID) : '';
    return imageId === '' ? NOTHING : { lines: [], imageId };
  }
  const output = text('stream' in value ? value.stream : 'status' in value ? value.status : '').trimEnd();
  if (output === '') return NOTHING;
  return { lines: [output], ...(/^Step \d+\/\d+ : /.test(output) && { step: output }) };
}

/** Numbers of the fields that we read (moby/buildkit, `api/services/control/control.proto`). */
const STATUS = { vertexes: 1, logs: 3 };
const VERTEX = { name: 3, cached: 4, started: 5, completed: 6, error: 7 };
const LOG = { message: 4 };

/** The part of a BuildKit `StatusResponse` that a person wants to see. */
function readStatus(bytes: Buffer): BuildMessage {
  const lines: string[] = [];
  let step: string | undefined;
  for (const { number, value } of fields(bytes)) {
    if (!Buffer.isBuffer(value)) continue;
    if (number === STATUS.vertexes) {
      const vertex = new Map(fields(value).map((field) => [field.number, field.value]));
      const name = String(vertex.get(VERTEX.name) ?? '');
      const hasEnded = vertex.has(VERTEX.completed);
      if (vertex.has(VERTEX.error)) lines.push(`${name}: ${String(vertex.get(VERTEX.error))}`);
      else if (hasEnded && vertex.get(VERTEX.cached) === 1) lines.push(`${name} (cached)`);
      else if (vertex.has(VERTEX.started) && !hasEnded) {
        lines.push(name);
        step = name;
      }
    } else if (number === STATUS.logs) {
      const log = fields(value).find((field) => field.number === LOG.message)?.value;
      if (log !== undefined) lines.push(...String(log).trimEnd().split(/\r?\n/));
    }
  }
  return { lines, ...(step !== undefined && { step }) };
}

interface Field {
  readonly number: number;
  /** Numbers stand for themselves, everything with a length is bytes. */
  readonly value: number | Buffer;
}

/** The fields of a protobuf message (protobuf.dev, "Encoding"). What does not parse ends the list: it is only progress. */
function fields(bytes: Buffer): Field[] {
  const found: Field[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; at < bytes.length; shift += 7) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    return value;
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        found.push({ number, value: varint() });
        break;
      case 1:
        at += 8;
        break;
      case 2: {
        const length = varint();
        found.push({ number, value: bytes.subarray(at, at + length) });
        at += length;
        break;
      }
      case 5:
        at += 4;
        break;
      default:
        return found;
    }
  }
  return found;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
