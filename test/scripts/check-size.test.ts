import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { node, tree } from './support.ts';

const noise = (bytes: number) => randomBytes(bytes).toString('latin1');
const check = (files: Record<string, string>) => node('scripts/check-size.mjs', tree({ 'package.json': '{ "name": "a", "version": "1.0.0" }', ...files }));

test('weights do not count', () => {
  const { status, stdout } = check({ 'index.js': '1;\n', 'weights/w': noise(2_500_000) });
  expect(stdout).toMatch(/without weights is 0\.00 MB of 2\.00 MB \(no prebuilds\), weights add [3-4]\.\d\d MB/);
  expect(status).toBe(0);
});

test('too much of anything else fails', () => {
  const { status, stderr } = check({ 'prebuilds/linux-x64/a.node': noise(2_500_000) });
  expect(stderr).toContain('prebuilds/linux-x64), weights add 0.00 MB: over the budget');
  expect(status).toBe(1);
});
