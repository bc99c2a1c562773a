import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layerSteps, stepText } from '../../../src/image/steps';

test('a step is said as it stands in a Dockerfile, whichever builder noted it', () => {
  const noted = {
    '/bin/sh -c #(nop) COPY file:bf8533d1baa5 in /app/app.py ': 'COPY … /app/app.py',
    '/bin/sh -c #(nop) ADD dir:01ab in / ': 'ADD … /',
    '/bin/bash -o pipefail -c #(nop) COPY --chown=1:1file:01ab in /x/ ': 'COPY --chown=1:1 … /x/',
    '|2 A=b C=2 3 /bin/sh -c echo $A': 'RUN echo $A',
    '/bin/sh -c apt-get update   && apt-get install -y x': 'RUN apt-get update && apt-get install -y x',
    'RUN /bin/sh -c make\n  all # buildkit': 'RUN make all',
    'COPY src/ /app/ # buildkit': 'COPY src/ /app/',
  };
  assert.deepEqual(Object.keys(noted).map(stepText), Object.values(noted));
});

test('a layer of which nothing was noted has no step', () => {
  const layers = ['', '  ', undefined].map((text) => ({
    history: text === undefined ? undefined : { created_by: text },
  }));
  assert.deepEqual(layerSteps({ layers: layers as never, config: { history: [] } as never }), [
    undefined,
    undefined,
    undefined,
  ]);
});
