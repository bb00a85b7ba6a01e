import { expect, test } from 'vitest';
import { node, tree } from './support.ts';

const check = (packages: object) => node('scripts/check-licences.mjs', tree({ 'package-lock.json': JSON.stringify({ packages: { '': { license: 'none' }, ...packages } }) }));

test('permissive licences pass; what only developers install does not matter', () => {
  const packages = { 'node_modules/a': { license: 'MIT' }, 'node_modules/b': { license: '(GPL-3.0 OR Apache-2.0)' }, 'node_modules/c': { license: 'GPL-3.0', dev: true } };
  expect(check(packages)).toMatchObject({ status: 0, stdout: 'check-licences: 2 packages\n' });
});

test.each([
  ['a licence that is not on the list', { license: 'GPL-3.0' }, "node_modules/a: the licence 'GPL-3.0'"],
  ['a part that is not on the list', { license: '(MIT AND GPL-3.0)' }, "node_modules/a: the licence '(MIT AND GPL-3.0)'"],
  ['no licence', {}, "node_modules/a: the licence 'none'"],
])('%s fails', (_, entry, message) => {
  const { status, stderr } = check({ 'node_modules/a': entry });
  expect(stderr).toContain(message);
  expect(status).toBe(1);
});
