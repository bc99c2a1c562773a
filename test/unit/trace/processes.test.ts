import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LiveView } from '../../../src/trace/live';
import { timelineOf } from '../../../src/trace/processes';
import { parseMount, parsePublishedPort } from '../../../src/trace/settings';
import type { TraceEvent } from '../../../src/trace/types';
import { lensError } from '../../support/errors';

test('a timeline by process: parents, programs, ends, and numbers that are given twice', () => {
  const events: TraceEvent[] = [
    { op: 'exec', t: 0, pid: 1, path: '/bin/sh' },
    // The child is seen before its parent's call returns.
    { op: 'open', t: 5, pid: 7, path: '/a' },
    { op: 'fork', t: 6, pid: 1, child: 7 },
    { op: 'exec', t: 7, pid: 7, path: '/bin/cat', real: '/usr/bin/cat' },
    { op: 'read', t: 8, pid: 7, path: '/a', off: 0, len: 100 },
    { op: 'open', t: 9, pid: 7, path: '/none', ret: -2 },
    { op: 'exit', t: 10, pid: 7, code: 3 },
    { op: 'fork', t: 11, pid: 1, child: 7 },
    { op: 'exit', t: 12, pid: 7, sig: 9 },
    { op: 'mark', t: 13, pid: 0, what: 'snapshot-done' },
    { op: 'exit', t: 14, pid: 1, code: 0 },
  ];
  assert.deepEqual(timelineOf({ events }), [
    {
      pid: 1,
      parent: undefined,
      program: '/bin/sh',
      start: 0,
      end: undefined,
      code: undefined,
      files: 1,
      bytes: 0,
    },
    { pid: 7, parent: 1, program: '/bin/cat', start: 5, end: 10, code: 3, files: 2, bytes: 100 },
    { pid: 7, parent: 1, program: '/bin/sh', start: 11, end: 12, code: -9, files: 0, bytes: 0 },
  ]);
});

test('what is told while a start is recorded', () => {
  const view = new LiveView();
  assert.equal(view.add({ op: 'open', t: 1000, pid: 1, path: '/a' }), true);
  assert.equal(view.add({ op: 'read', t: 500_000, pid: 1, path: '/a', off: 0, len: 2_500_000 }), false);
  assert.equal(view.add({ op: 'open', t: 600_000, pid: 1, path: '/b', ret: -2 }), false);
  assert.equal(view.add({ op: 'listen', t: 1_000_000, pid: 1, port: 8080 }), true);
  assert.equal(view.add({ op: 'listen', t: 1_000_000, pid: 1, port: 8080 }), false);
  assert.equal(view.add({ op: 'open', t: 2_000_000, pid: 1, path: '/c' }), true);
  assert.deepEqual(view.progress(), {
    step: 'Recording the start (1 files/s, 2.5 MB, listens on 8080)',
    done: 2,
    unit: 'files',
  });
});

test('ports and mounts as a person writes them', () => {
  assert.deepEqual(parsePublishedPort('80'), { container: 80, host: undefined });
  assert.deepEqual(parsePublishedPort('8080:80'), { container: 80, host: 8080 });
  for (const wrong of ['', '80:', '0', '65536', '1:0', '0.0.0.0:80:80', '80/udp']) {
    assert.throws(() => parsePublishedPort(wrong), lensError('trace/bad-setting', /no port/), wrong);
  }
  const mount = { kind: 'bind', source: '/a', target: '/b', readOnly: false };
  assert.deepEqual(parseMount('/a:/b'), mount);
  assert.deepEqual(parseMount('/a:/b:ro'), { ...mount, readOnly: true });
  assert.deepEqual(parseMount('C:\\a b:/b:rw'), { ...mount, source: 'C:\\a b' });
  assert.deepEqual(parseMount('data-1:/b'), { ...mount, kind: 'volume', source: 'data-1' });
  assert.throws(() => parseMount('/a'), lensError('trace/bad-setting', /no mount/));
  assert.throws(() => parseMount('/a:b'), lensError('trace/bad-setting', /no mount/));
  assert.throws(() => parseMount('../a:/b'), lensError('trace/bad-setting', /neither a path/));
});
