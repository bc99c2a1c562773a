import assert from 'node:assert/strict';
import fs from 'node:fs';
import Module from 'node:module';
import net from 'node:net';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { extension, measured, processorTime } from './support';

/** Milliseconds from the first byte of the bundle to the end of `activate`. */
const ACTIVATION_LIMIT = 50;

interface Loader {
  _load(request: string, ...more: unknown[]): unknown;
  readonly _cache: object;
}
// Node's own loader, which has these although its types do not say so.
const loader = Module as unknown as Loader;

/** Milliseconds by the clock, and of the processor: on a busy machine the clock also counts what other programs did meanwhile. */
interface Cost {
  readonly clock: number;
  readonly processor: number;
}

function costOf<T>(work: () => T): { result: T; cost: Cost } {
  const [started, before] = [performance.now(), processorTime()];
  const result = work();
  return { result, cost: { clock: performance.now() - started, processor: processorTime() - before } };
}

/** What loading the extension's bundle and calling `activate` cost, as VS Code's own list of running extensions counts. */
async function timeActivation(work: () => Thenable<unknown>): Promise<Cost> {
  const load = loader._load.bind(loader);
  const main = path.join(extension().extensionPath, 'dist', 'extension.js');
  const costs: Cost[] = [];
  loader._load = (request, ...more) => {
    if (!path.isAbsolute(request) || path.normalize(request) !== main) return load(request, ...more);
    const { result: exports, cost } = costOf(
      () => load(request, ...more) as { activate: (context: unknown) => unknown },
    );
    costs.push(cost);
    const activate = (context: unknown) => {
      const called = costOf(() => exports.activate(context));
      costs.push(called.cost);
      return called.result;
    };
    return { ...exports, activate };
  };
  try {
    await work();
  } finally {
    loader._load = load;
  }
  assert.equal(costs.length, 2, 'it was loaded and activated');
  const sum = (key: keyof Cost) => costs.reduce((total, cost) => total + cost[key], 0);
  return { clock: sum('clock'), processor: sum('processor') };
}

/** Notes every call of a file or network function that our own code makes while `work` runs. */
async function callsOfOurs(work: () => Thenable<unknown>): Promise<string[]> {
  const calls: string[] = [];
  const undo: (() => void)[] = [];
  const own = path.join(extension().extensionPath, 'dist') + path.sep;
  const watch = (name: string, holder: object) => {
    for (const [key, value] of Object.entries(holder)) {
      if (typeof value !== 'function' || /^[A-Z_]/.test(key)) continue;
      const original = value as (...values: unknown[]) => unknown; // It is a function, as the line above says.
      const watched = function (this: unknown, ...values: unknown[]) {
        if (new Error().stack?.includes(own)) calls.push(`${name}.${key}(${String(values[0])})`);
        return Reflect.apply(original, this, values);
      };
      Object.assign(holder, { [key]: watched });
      undo.push(() => Object.assign(holder, { [key]: original }));
    }
  };
  watch('fs', fs);
  watch('fs.promises', fs.promises);
  watch('net', net);
  try {
    await work();
  } finally {
    for (const restore of undo) restore();
  }
  return calls;
}

suite('activation', () => {
  test('takes less than 50 ms, reads nothing and loads no other bundle', async function () {
    assert.equal(extension().isActive, false, 'nothing has asked for the extension yet');
    let took = NaN;
    const calls = await callsOfOurs(async () => {
      const { clock, processor } = await timeActivation(() => extension().activate());
      took = Math.min(clock, processor);
    });
    assert.deepEqual(calls, []);
    const loaded = Object.keys(loader._cache);
    const bundles = loaded.filter((file) => file.startsWith(path.join(extension().extensionPath, 'dist')));
    assert.deepEqual(
      bundles.map((file) => path.basename(file)),
      ['extension.js'],
    );
    measured(this, took);
    assert.ok(took < ACTIVATION_LIMIT, `activation took ${took.toFixed(1)} ms`);
  });

  test('registers the commands of the manifest and no others', async () => {
    const manifest: unknown = extension().packageJSON;
    const declared = (manifest as { contributes: { commands: { command: string }[] } }).contributes.commands;
    const registered = (await vscode.commands.getCommands(true)).filter(
      // VS Code itself makes a few commands for each view.
      (id) => id.startsWith('sociLens.') && !/^sociLens\.(images|traces)\./.test(id),
    );
    assert.deepEqual(registered.sort(), declared.map(({ command }) => command).sort());
  });

  test('has a bundle below 200 kB', () => {
    const { size } = fs.statSync(path.join(extension().extensionPath, 'dist', 'extension.js'));
    assert.ok(size < 200_000, `dist/extension.js has ${size} bytes`);
  });
});

suite('manifest', () => {
  const manifest = () => extension().packageJSON as Record<string, unknown>;

  test('has a text for every placeholder, and no text that nothing uses', () => {
    const root = extension().extensionPath;
    const source = fs.readFileSync(path.join(root, 'package.json'), 'utf8');
    const texts = Object.keys(
      JSON.parse(fs.readFileSync(path.join(root, 'package.nls.json'), 'utf8')) as object,
    );
    const used = [...source.matchAll(/"%([\w.]+)%"/g)].map(([, key]) => key);
    assert.deepEqual([...new Set(used)].sort(), texts.sort());
  });

  test('names only commands that exist in menus and welcome texts', () => {
    const root = extension().extensionPath;
    const text =
      fs.readFileSync(path.join(root, 'package.json'), 'utf8') +
      fs.readFileSync(path.join(root, 'package.nls.json'), 'utf8');
    const { commands } = manifest()['contributes'] as { commands: { command: string }[] };
    const known = new Set(commands.map(({ command }) => command));
    const named = [...text.matchAll(/(?:"command": "|\(command:)(sociLens\.\w+)/g)].map(([, id]) => id ?? '');
    assert.deepEqual(
      named.filter((id) => !known.has(id)),
      [],
    );
  });

  test('restricts every setting that names a host, a program or a file', () => {
    const { configuration } = manifest()['contributes'] as {
      configuration: { properties: Record<string, { scope: string }> }[];
    };
    const names = configuration.flatMap(({ properties }) => Object.keys(properties));
    const { untrustedWorkspaces } = manifest()['capabilities'] as {
      untrustedWorkspaces: { restrictedConfigurations: string[] };
    };
    const sensitive = names.filter((name) => /host|context|path|file|http/i.test(name));
    assert.deepEqual(untrustedWorkspaces.restrictedConfigurations.sort(), sensitive.sort());
  });

  test('runs beside the engine and the files (SSH, WSL, containers, Codespaces), never in a browser, and says where it cannot', () => {
    const { extensionKind, main, capabilities, ...rest } = manifest() as {
      extensionKind: string[];
      main: string;
      capabilities: { virtualWorkspaces: { supported: boolean }; untrustedWorkspaces: { supported: string } };
    };
    // "ui" would be the machine of the keyboard, where neither files nor engine of a remote window are.
    assert.deepEqual(extensionKind, ['workspace']);
    assert.equal(main, './dist/extension.js');
    assert.ok(!('browser' in rest));
    assert.equal(capabilities.virtualWorkspaces.supported, false);
    assert.equal(capabilities.untrustedWorkspaces.supported, 'limited');
  });

  test('gives each setting a scope, numbers their limits, and sizes and times their unit', () => {
    const { configuration } = manifest()['contributes'] as {
      configuration: {
        properties: Record<
          string,
          { type: string; scope?: string; minimum?: number; markdownDescription: string }
        >;
      }[];
    };
    const texts = JSON.parse(
      fs.readFileSync(path.join(extension().extensionPath, 'package.nls.json'), 'utf8'),
    ) as Record<string, string>;
    const settings = configuration.flatMap(({ properties }) => Object.entries(properties));
    assert.ok(settings.length >= 15);
    for (const [name, { type, scope, minimum, markdownDescription }] of settings) {
      assert.ok(['machine', 'machine-overridable', 'resource', 'window'].includes(scope ?? ''), name);
      if (type === 'integer' || type === 'number') assert.equal(typeof minimum, 'number', name);
      // VS Code's own copy of the manifest may have the texts in place already.
      const text = texts[markdownDescription.replace(/^%|%$/g, '')] ?? markdownDescription;
      if (/size$/i.test(name)) assert.match(text, /bytes/i, name);
      if (/timeout$/i.test(name)) assert.match(text, /seconds/i, name);
    }
  });
});
