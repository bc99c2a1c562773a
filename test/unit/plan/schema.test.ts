/** The plan as JSON has the shape that docs/plan.schema.json promises, field by field and without one more. */
import Ajv from 'ajv';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { adviseBuild } from '../../../src/optimize/advice';
import { createPlanner } from '../../../src/plan/plan';
import type { PlanInput, PlanOptions } from '../../../src/plan/plan';
import type { Plan } from '../../../src/plan/types';
import { repoRoot } from '../../support/paths';
import { empty, hostile, manyLayers, service, untraced } from '../../support/pictures';

describe('the plan as JSON', () => {
  const schema = JSON.parse(readFileSync(path.join(repoRoot, 'docs/plan.schema.json'), 'utf8')) as object;
  const ajv = new Ajv({ allErrors: true, strict: true, strictTuples: false, strictTypes: false });
  const validate = ajv.compile<Plan>(schema);

  /** As it is printed. */
  function printed(input: PlanInput, more: PlanOptions = {}): Plan {
    const plan = createPlanner(input).plan(more);
    const build = adviseBuild(input, plan, plan.minLayerSize);
    return JSON.parse(JSON.stringify({ ...plan, build })) as Plan;
  }

  let whole: Plan;
  before(() => {
    whole = printed(service(), {
      best: {},
      network: { rttMs: 20, bytesPerSecond: 1e8, registryMs: 5, connections: 'tls' },
    });
  });

  test('of every kind of image', () => {
    assert.ok(whole.best && whole.trace);
    for (const plan of [whole, ...[empty(), untraced(), manyLayers(), hostile()].map((one) => printed(one))])
      assert.ok(validate(plan), ajv.errorsText(validate.errors));
  });

  test('and of no other shape', () => {
    const [row] = whole.rows;
    assert.ok(row && whole.best);
    const wrong: readonly object[] = [
      { ...whole, version: 2 },
      { ...whole, extra: 1 },
      { ...whole, rows: [{ ...row, spanSize: '4M' }] },
      { ...whole, rows: [{ ...row, waste: 2 }] },
      { ...whole, best: { ...whole.best, evidence: undefined } },
      { ...whole, notes: [null] },
    ];
    for (const plan of wrong) assert.equal(validate(plan), false);
  });
});
