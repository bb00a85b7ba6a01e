import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { node, tree } from './support.ts';

function check(files: Record<string, string>) {
  const root = tree(files);
  spawnSync('git', ['init', '--quiet'], { cwd: root });
  return node('scripts/check-format.mjs', root);
}

test('well-formed files pass, data and binaries are left alone', () => {
  const { status, stdout } = check({ 'a.ts': 'const a = 1;\n', 'b.md': '', 'test/x/fixtures/c.json': '{}', 'd.bin': '\t' });
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'check-format: 2 files\n' });
});

test.each([
  ['a tab', 'a;\n\tb;\n', 2],
  ['spaces at the end of a line', 'a; \nb;\n', 1],
  ['a carriage return', 'a;\nb;\r\n', 2],
  ['no newline at the end', 'a;\nb;', 2],
  ['an empty line at the end', 'a;\n\n', 1],
])('%s fails', (what, text, line) => {
  const { status, stderr } = check({ 'lib/a.ts': text });
  expect(stderr).toContain(`lib/a.ts:${line}: ${what}`);
  expect(status).toBe(1);
});
