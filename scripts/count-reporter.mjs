/**
 * A node:test reporter that writes `{ passed, failed, skipped, failures, skips }` as JSON; a failure is `{ name, file }`.
 * Suites are not counted, their tests are.
 */
export default async function* count(events) {
  const result = { passed: 0, failed: 0, skipped: 0, failures: [], skips: [] };
  for await (const { type, data } of events) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    // A `describe` and a file that only groups tests are not tests themselves.
    if (data.details?.type === 'suite') continue;
    if (data.skip !== undefined) {
      result.skipped += 1;
      result.skips.push(`${data.name}${typeof data.skip === 'string' ? `: ${data.skip}` : ''}`);
    } else if (type === 'test:pass') {
      result.passed += 1;
    } else {
      result.failed += 1;
      result.failures.push({ name: data.name, file: data.file });
    }
  }
  yield JSON.stringify(result);
}
