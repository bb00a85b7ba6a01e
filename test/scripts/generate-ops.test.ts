import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, node, tree } from './support.ts';

const FILES = ['scripts/generate-ops.mjs', 'native/core/ops.json', 'native/core/ops.gen.h', 'native/core/ops_cuda.gen.h', 'lib/graph/ops.gen.ts'];

/** `generate-ops --check` on a copy in which one file has been changed. */
function check(changed?: string, change: (text: string) => string = (text) => text) {
  const copy = tree(Object.fromEntries(FILES.map((file) => {
    const text = readFileSync(path.join(ROOT, file), 'utf8');
    return [file, file === changed ? change(text) : text];
  })));
  return node(path.join(copy, 'scripts/generate-ops.mjs'), '--check');
}

test('the generated files are those of the table', () => {
  expect(check()).toEqual({ status: 0, stdout: '', stderr: '' });
});

test('a change of the table is noticed in both files', () => {
  const { status, stderr } = check('native/core/ops.json', (text) => text.replace(/"version": *(\d+)/, (_, v) => `"version": ${Number(v) + 1}`));
  expect(status).toBe(1);
  expect(stderr).toContain('native/core/ops.gen.h does not match');
  expect(stderr).toContain('lib/graph/ops.gen.ts does not match');
});

test.each(FILES.slice(2))('a change of %s is noticed', (file) => {
  const { status, stderr } = check(file, (text) => `${text} `);
  expect(status).toBe(1);
  expect(stderr).toBe(`${file} does not match native/core/ops.json: run 'npm run generate:ops'\n`);
});

test('a missing file is noticed', () => {
  const copy = tree(Object.fromEntries(FILES.slice(0, 3).map((file) => [file, readFileSync(path.join(ROOT, file), 'utf8')])));
  expect(node(path.join(copy, 'scripts/generate-ops.mjs'), '--check')).toMatchObject({ status: 1, stderr: expect.stringContaining('lib/graph/ops.gen.ts') });
});
