import { readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  findNodeAtLocation,
  getNodeValue,
  type Node as JsonNode,
  type ParseError,
  parseTree,
} from 'jsonc-parser';
import { isAbort, LensError, messageOf } from '../errors';
import { parseSize } from '../plan/format';
import { parseNetwork } from '../plan/network';
import { parseNode } from '../plan/node';
import type { Network, Node, PullMode } from '../plan/types';

/** What an image may cost. What is not named is not checked. */
export interface Budget {
  /** Bytes over the network until the service is ready. */
  readonly startBytes?: number;
  /** HTTP requests until the service is ready. */
  readonly startRequests?: number;
  /** Forecast from the order to pull until the service is ready. */
  readonly readySeconds?: number;
  /** How much larger than the base image, compressed. */
  readonly growthBytes?: number;
  /** The same as a part of the base image's size. */
  readonly growthShare?: number;
  /** Bytes of files that later layers hide. */
  readonly wasteBytes?: number;
  /** The same as a part of all bytes of files, 0–1. */
  readonly wasteShare?: number;
  readonly index?: IndexDemand;
}

export type IndexDemand = 'present' | 'verified';

/** A `soci-lens.json`. */
export interface BudgetFile {
  /** As it was named. */
  readonly file: string;
  readonly budget: Budget;
  /** The image that growth is measured against. */
  readonly base: string | undefined;
  /** Recorded starts, as paths from here. */
  readonly traces: readonly string[];
  /** How nodes pull. */
  readonly mode: PullMode;
  /** Bytes; where not given, the index's own and without one the recommended. */
  readonly spanSize: number | undefined;
  readonly minLayerSize: number | undefined;
  readonly network: Network | undefined;
  readonly node: Node | undefined;
  /** Where each budget stands in the file, from 1 on. */
  readonly lines: Readonly<Partial<Record<keyof Budget, number>>>;
}

/** What each budget is measured in; schemas/soci-lens.schema.json says the same for editors. */
export const BUDGETS = {
  startBytes: 'bytes',
  startRequests: 'count',
  readySeconds: 'seconds',
  growthBytes: 'bytes',
  growthShare: 'share',
  wasteBytes: 'bytes',
  wasteShare: 'share',
  index: 'index',
} as const satisfies Record<keyof Budget, string>;

export const SETTINGS = [
  '$schema',
  'version',
  'budget',
  'base',
  'trace',
  'mode',
  'spanSize',
  'minLayerSize',
  'network',
  'node',
] as const;

const MODES: readonly PullMode[] = ['lazy', 'lazy-prefetch', 'parallel-pull', 'docker-pull'];
/** A budget file is written by hand. */
const SIZE_LIMIT = 1024 * 1024;

/** @throws LensError `gate/no-budget`, `gate/bad-budget` with the position of what is wrong */
export async function readBudget(file: string, signal?: AbortSignal): Promise<BudgetFile> {
  let text: string;
  try {
    text = await readFile(file, { encoding: 'utf8', ...(signal && { signal }) });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new LensError(
      'gate/no-budget',
      `The budget ${file} cannot be read: ${messageOf(error)}.`,
      'Write a soci-lens.json beside the Dockerfile (docs/ci.md), or name one with --budget.',
      { cause: error },
    );
  }
  return parseBudget(text, file);
}

/** As `readBudget`, of a text. Comments and a comma too many are let pass, as VS Code does in its own settings. */
export function parseBudget(text: string, file: string): BudgetFile {
  const reader = new Reader(text, file);
  const { root } = reader;
  reader.onlyKeys(root, SETTINGS);
  const version = reader.value(root, 'version');
  if (version !== 1) throw reader.wrong(root, 'version', 'must be 1');
  const node = findNodeAtLocation(root, ['budget']);
  if (node?.type !== 'object') throw reader.wrong(root, 'budget', 'must be an object with the budgets');
  reader.onlyKeys(node, Object.keys(BUDGETS));

  const budget: Record<string, number | string> = {};
  const lines: Partial<Record<keyof Budget, number>> = {};
  for (const [key, kind] of Object.entries(BUDGETS) as [keyof Budget, (typeof BUDGETS)[keyof Budget]][]) {
    const found = findNodeAtLocation(node, [key]);
    if (found === undefined) continue;
    lines[key] = reader.line(found.offset);
    budget[key] = kind === 'index' ? reader.demand(node, key) : reader.amount(node, key, kind);
  }
  if (Object.keys(budget).length === 0) throw reader.wrong(root, 'budget', 'names nothing to hold');

  const mode = reader.text(root, 'mode') ?? 'lazy';
  const known = MODES.find((one) => one === mode);
  if (known === undefined) throw reader.wrong(root, 'mode', `must be one of ${MODES.join(', ')}`);
  const [network, machine] = [reader.text(root, 'network'), reader.text(root, 'node')];
  return {
    file,
    budget,
    base: reader.text(root, 'base'),
    traces: reader.texts(root, 'trace').map((trace) => path.join(path.dirname(file), trace)),
    mode: known,
    spanSize: reader.size(root, 'spanSize'),
    minLayerSize: reader.size(root, 'minLayerSize'),
    network: network === undefined ? undefined : reader.attempt(root, 'network', () => parseNetwork(network)),
    node: machine === undefined ? undefined : reader.attempt(root, 'node', () => parseNode(machine)),
    lines,
  };
}

/** Reads values out of the JSON text, and knows where each stands. */
class Reader {
  readonly root: JsonNode;

  constructor(
    private readonly source: string,
    private readonly file: string,
  ) {
    if (source.length > SIZE_LIMIT) throw this.error(0, 'is too long for a budget');
    const errors: ParseError[] = [];
    const root = parseTree(source, errors, { allowTrailingComma: true });
    if (errors[0] !== undefined || root === undefined) {
      throw this.error(errors[0]?.offset ?? 0, 'is not JSON at this place');
    }
    if (root.type !== 'object') throw this.error(0, 'must be a JSON object');
    this.root = root;
  }

  line(offset: number): number {
    return this.source.slice(0, offset).split('\n').length;
  }

  value(node: JsonNode, key: string): unknown {
    const found = findNodeAtLocation(node, [key]);
    return found === undefined ? undefined : (getNodeValue(found) as unknown);
  }

  onlyKeys(node: JsonNode, known: readonly string[]): void {
    for (const { children: [name] = [] } of node.children ?? []) {
      if (name !== undefined && !known.includes(String(name.value))) {
        throw this.error(
          name.offset,
          `has the unknown key "${String(name.value)}"; known are ${known.join(', ')}`,
        );
      }
    }
  }

  text(node: JsonNode, key: string): string | undefined {
    const value = this.value(node, key);
    if (value === undefined || (typeof value === 'string' && value !== '')) return value;
    throw this.wrong(node, key, 'must be a text');
  }

  texts(node: JsonNode, key: string): readonly string[] {
    const value = this.value(node, key) ?? [];
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (list.every((item) => typeof item === 'string' && item !== '')) return list as readonly string[];
    throw this.wrong(node, key, 'must be a path or a list of paths');
  }

  size(node: JsonNode, key: string): number | undefined {
    return this.value(node, key) === undefined ? undefined : this.amount(node, key, 'bytes');
  }

  demand(node: JsonNode, key: string): IndexDemand {
    const value = this.value(node, key);
    if (value === 'present' || value === 'verified') return value;
    throw this.wrong(node, key, 'must be "present" or "verified"');
  }

  amount(node: JsonNode, key: string, kind: 'bytes' | 'count' | 'seconds' | 'share'): number {
    const value = this.value(node, key);
    const amount = kind === 'bytes' && typeof value === 'string' ? parseSize(value) : value;
    const whole = kind === 'bytes' || kind === 'count';
    if (
      typeof amount === 'number' &&
      amount >= 0 &&
      (whole ? Number.isSafeInteger(amount) : Number.isFinite(amount))
    ) {
      return amount;
    }
    throw this.wrong(node, key, WANTED[kind]);
  }

  attempt<T>(node: JsonNode, key: string, parse: () => T): T {
    try {
      return parse();
    } catch (error) {
      throw this.wrong(node, key, `is not understood: ${messageOf(error)}`);
    }
  }

  wrong(node: JsonNode, key: string, what: string): LensError {
    const found = findNodeAtLocation(node, [key]);
    return this.error(
      found?.offset ?? node.offset,
      found === undefined ? `has no "${key}"; it ${what}` : `: "${key}" ${what}`,
    );
  }

  private error(offset: number, what: string): LensError {
    const before = this.source.slice(0, offset).split('\n');
    const place = `${this.file}:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
    return new LensError(
      'gate/bad-budget',
      `${place}${what.startsWith(':') ? '' : ' '}${what.replace(/\.$/, '')}.`,
      'Correct the budget; docs/ci.md describes every key.',
    );
  }
}

const WANTED = {
  bytes: 'must be a number of bytes such as 1048576, "64k" or "100M"',
  count: 'must be a whole number from 0 on',
  seconds: 'must be a number of seconds from 0 on',
  share: 'must be a part of the whole, such as 0.05',
} as const;
