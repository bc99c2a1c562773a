import { gzipCase, tarCase } from '../../support/layer-fuzz';
import { Random } from '../../support/random';
import { it } from 'node:test';

const COUNT = 1000;

for (const [name, run] of Object.entries({ 'gzip streams': gzipCase, tars: tarCase })) {
  it(`agrees with its oracle on ${COUNT} random ${name}`, { timeout: 120_000 }, async () => {
    for (let seed = 1; seed <= COUNT; seed++) {
      try {
        await run(new Random(seed));
      } catch (error) {
        throw new Error(`seed ${seed} of ${name}`, { cause: error });
      }
    }
  });
}
