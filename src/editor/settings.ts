import * as vscode from 'vscode';

/**
 * The extension's settings, typed. Their defaults, ranges and descriptions stand in package.json; VS Code underlines what does not
 * fit there, and hands it out all the same.
 */
export interface Settings {
  readonly engineHost: string | undefined;
  readonly engineContext: string | undefined;
  /** A rule, see `parseReadyRule`. */
  readonly ready: string;
  /** Milliseconds. */
  readonly traceTimeout: number;
  /** How often a start is recorded. */
  readonly traceRuns: number;
  readonly indexer: 'built-in' | 'soci';
  /** Of the soci program; without it the PATH is looked through. */
  readonly sociPath: string | undefined;
  readonly format: 'v2' | 'v1';
  /** Bytes, or what the recorded start recommends. */
  readonly spanSize: number | 'auto';
  /** Bytes. */
  readonly minLayerSize: number;
  /** The same where the person set it; without, a recorded start may choose another one. */
  readonly ownMinLayerSize: number | undefined;
  /** Bytes each; empty for the usual ones. */
  readonly spanSizes: readonly number[];
  /** See `parseNetwork` and `parseNode`. */
  readonly network: string | undefined;
  readonly node: string | undefined;
  readonly plainHttp: boolean;
  readonly caFile: string | undefined;
  /** VS Code's own `http.proxy`; without it the environment decides. */
  readonly proxy: string | undefined;
  /** VS Code's own `http.noProxy`; without it the environment's `NO_PROXY`. */
  readonly noProxy: readonly string[] | undefined;
  readonly lenses: boolean;
  /** Whether each instruction is marked with its share of the start. */
  readonly costs: boolean;
  /** Bytes. */
  readonly cacheSize: number;
}

export function readSettings(scope?: vscode.Uri): Settings {
  const section = vscode.workspace.getConfiguration('sociLens', scope);
  const text = (key: string) => {
    const value: unknown = section.get(key);
    // `index.spanSize` may well be written as the number that it is.
    return typeof value === 'string' || typeof value === 'number'
      ? String(value).trim() || undefined
      : undefined;
  };
  const number = (key: string, usual: number, least: number, most: number) => {
    const value: unknown = section.get(key);
    return isWhole(value) ? Math.min(most, Math.max(least, value)) : usual;
  };
  const http = vscode.workspace.getConfiguration('http');
  const noProxy = http.get<readonly string[]>('noProxy', []);
  const spanSize = Number(text('index.spanSize'));
  const spanSizes: unknown = section.get('plan.spanSizes');
  const smallest = section.inspect<unknown>('index.minLayerSize');
  const ownSmallest = smallest?.workspaceFolderValue ?? smallest?.workspaceValue ?? smallest?.globalValue;
  return {
    engineHost: text('engine.host'),
    engineContext: text('engine.context'),
    ready: text('trace.ready') ?? 'auto',
    traceTimeout: number('trace.timeout', 120, 1, 3600) * 1000,
    traceRuns: number('trace.runs', 1, 1, 20),
    indexer: section.get<string>('indexer') === 'soci' ? 'soci' : 'built-in',
    sociPath: text('soci.path'),
    format: section.get<string>('index.format') === 'v1' ? 'v1' : 'v2',
    spanSize: isBytes(spanSize) ? spanSize : 'auto',
    minLayerSize: number('index.minLayerSize', 10_485_760, 0, Number.MAX_SAFE_INTEGER),
    ownMinLayerSize: isWhole(ownSmallest) ? Math.max(0, ownSmallest) : undefined,
    spanSizes: Array.isArray(spanSizes) ? spanSizes.filter(isBytes) : [],
    network: text('plan.network'),
    node: text('plan.node'),
    plainHttp: section.get('registry.plainHttp', false),
    caFile: text('registry.caFile'),
    proxy: http.get('proxy', '').trim() || undefined,
    noProxy: noProxy.length > 0 ? noProxy : undefined,
    lenses: section.get('codeLens.enabled', true),
    costs: section.get('decorations.enabled', false),
    cacheSize: number('cache.maxSize', 2 ** 31, 0, Number.MAX_SAFE_INTEGER),
  };
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isBytes(value: unknown): value is number {
  return isWhole(value) && value > 0;
}
