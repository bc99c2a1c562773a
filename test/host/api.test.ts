import assert from 'node:assert/strict';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { explain } from '../../src/editor/chat-tool';
import { AnalysisStore } from '../../src/editor/store';
import { Actions } from '../../src/editor/actions';
import { extension, memento, sample, sampleTrace, testServices, until } from './support';

interface Consumer {
  largestLayer(image: string, signal?: AbortSignal): Promise<number>;
  readonly heard: readonly string[];
}

suite('the API for other extensions', () => {
  let consumer: Consumer;

  suiteSetup(async () => {
    const found = vscode.extensions.getExtension<Consumer>('soci-lens-tests.consumer');
    assert.ok(found, 'the second extension is loaded beside ours');
    consumer = await found.activate();
  });

  test('analyses an image for another extension, which hears of it', async () => {
    assert.ok((await consumer.largestLayer(sample)) > 10_000_000);
    await vscode.commands.executeCommand('sociLens.inspectImage', sample);
    await until('the event', () => consumer.heard.includes(sample));
  });

  test('an image that is none is an error with code and advice', async () => {
    await assert.rejects(consumer.largestLayer('oci:/nowhere/at/all'), (error: Error) => {
      assert.ok('code' in error && 'advice' in error, String(error));
      return true;
    });
  });

  test('a signal ends the analysis', async () => {
    const copy = `oci:${path.join(path.dirname(sample.slice(4)), 'sample')}:latest`;
    const reason = new Error('Not any more.');
    await assert.rejects(consumer.largestLayer(copy, AbortSignal.abort(reason)), reason);
  });
});

suite('the tool for chat agents', () => {
  test('is declared with a schema, and answers from memory alone', async () => {
    const { contributes } = extension().packageJSON as {
      contributes: { languageModelTools: { name: string; inputSchema: { type: string } }[] };
    };
    assert.deepEqual(
      contributes.languageModelTools.map(({ name, inputSchema }) => [name, inputSchema.type]),
      [['soci-lens_explainStart', 'object']],
    );
    const scratch = path.join(path.dirname(sampleTrace), 'tool');
    const services = testServices(scratch);
    const actions = new Actions(services);
    try {
      assert.match(explain(services.store, undefined), /No image was analysed/);
      await actions.open(sample);
      assert.match(explain(services.store, undefined), /No start is recorded, so only sizes are known/);
      await actions.useTraces(sample, [vscode.Uri.file(sampleTrace)]);
      const answer = explain(services.store, 'sample');
      assert.match(answer, /The recorded start reads \d+ files/);
      assert.match(answer, /Forecast, lazy: ready after/);
      assert.match(answer, /Recommended span size: /);
      assert.match(answer, /Most read: \/usr\/bin\/esbuild/);
      assert.match(explain(services.store, 'nothing-like-it'), /No image like "nothing-like-it"/);
      assert.match(explain(new AnalysisStore(memento()), 'x'), /can inspect one with the command/);
    } finally {
      services.dispose();
    }
  });

  test('is registered where VS Code has tools', () => {
    const lm: object = vscode.lm;
    if (!('tools' in lm) || !Array.isArray(lm.tools)) assert.fail('this VS Code has no list of tools');
    const names = lm.tools.map((tool: { name: string }) => tool.name);
    assert.ok(names.includes('soci-lens_explainStart'), names.join(', '));
  });
});
