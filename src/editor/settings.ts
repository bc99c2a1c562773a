import * as vscode from 'vscode';

/** The extension's settings, typed. Their defaults, ranges and descriptions stand in package.json. */
export interface Settings {
  readonly engineHost: string | undefined;
  readonly engineContext: string | undefined;
  /** A rule, see `parseReadyRule`. */
  readonly ready: string;
  /** Milliseconds. */
  readonly traceTimeout: number;
  /** Bytes, or what the recorded start recommends. */
  readonly spanSize: number | 'auto';
  /** Bytes. */
  readonly minLayerSize: number;
  readonly plainHttp: boolean;
  readonly caFile: string | undefined;
  /** VS Code's own `http.proxy`; without it the environment decides. */
  readonly proxy: string | undefined;
  /** VS Code's own `http.noProxy`; without it the environment's `NO_PROXY`. */
  readonly noProxy: readonly string[] | undefined;
  readonly lenses: boolean;
  /** Bytes. */
  readonly cacheSize: number;
}

export function readSettings(scope?: vscode.Uri): Settings {
  const section = vscode.workspace.getConfiguration('sociLens', scope);
  const text = (key: string) => {
    const value = section.get<string>(key, '').trim();
    return value === '' ? undefined : value;
  };
  const http = vscode.workspace.getConfiguration('http');
  const noProxy = http.get<readonly string[]>('noProxy', []);
  const spanSize = Number(text('index.spanSize'));
  return {
    engineHost: text('engine.host'),
    engineContext: text('engine.context'),
    ready: text('trace.ready') ?? 'auto',
    traceTimeout: section.get('trace.timeout', 120) * 1000,
    spanSize: Number.isSafeInteger(spanSize) && spanSize > 0 ? spanSize : 'auto',
    minLayerSize: section.get('index.minLayerSize', 10_485_760),
    plainHttp: section.get('registry.plainHttp', false),
    caFile: text('registry.caFile'),
    proxy: http.get('proxy', '').trim() || undefined,
    noProxy: noProxy.length > 0 ? noProxy : undefined,
    lenses: section.get('codeLens.enabled', true),
    cacheSize: section.get('cache.maxSize', 2 ** 31),
  };
}
