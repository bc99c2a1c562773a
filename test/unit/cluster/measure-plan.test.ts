/** What a measure is going to do to a cluster, as people are shown it before they are asked. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { suite, test } from 'node:test';
import { parse } from 'yaml';
import { describeMeasurePlan, planMeasure } from '../../../src/cluster/measure/plan';
import { sentences } from '../../../src/sentences';
import { CLEAR, INDEXED, setNode, testCluster, together, WISH } from '../../support/kubernetes/cluster';
import { repoRoot } from '../../support/paths';

suite('the plan of a measure', together, () => {
  test('the diff names context and server first, has each pod whole, and no secret', async (t) => {
    const there = await testCluster(t);
    const plan = await planMeasure(there.cluster, WISH);
    const diff = describeMeasurePlan(there.cluster, plan);
    assert.match(diff, new RegExp(`^Context {4}test\nServer {5}${there.url}\nNamespace {2}shop\n`));
    assert.doesNotMatch(diff, /secret-token/);
    const pods = diff.split('\n\n').filter((part) => part.includes('+ kind: Pod'));
    const written = pods.map(
      (part) =>
        parse(
          part
            .split('\n')
            .filter((l) => l.startsWith('+ '))
            .map((l) => l.slice(2))
            .join('\n'),
        ) as unknown,
    );
    assert.deepEqual(
      written,
      plan.starts.map(({ pod }) => pod),
    );
    if (there.played)
      assert.deepEqual(
        there.played.writes.filter((write) => write.includes('pods')),
        [],
      );
  });

  test('is said in the language of the reader; only the objects are as Kubernetes has them', async (t) => {
    const there = await testCluster(t, { nodes: 1 });
    await setNode(there.url, 'node-0', 'True', [INDEXED]);
    const plan = await planMeasure(there.cluster, { ...WISH, rounds: 2, clear: CLEAR });
    const file = path.join(repoRoot, 'l10n', 'bundle.l10n.de.json');
    const bundle = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
    const said: string[] = [];
    const fill = (text: string): string => {
      said.push(text);
      return '⟦⟧';
    };
    const diff = describeMeasurePlan(there.cluster, plan, sentences(Object.keys(bundle), fill, 'de'));
    const bare = diff.split('\n').filter((line) => line !== '' && line !== '⟦⟧');
    const objects = bare
      .join('\n')
      .replace(/^\+ /gm, '')
      .split(/^(?=apiVersion: )/m);
    const kinds = objects.map((text) => (parse(text) as { kind: string }).kind);
    assert.deepEqual(kinds, ['Pod', 'Pod', 'Pod']);
    assert.equal(said.length, 6, said.join('\n'));
  });
});
