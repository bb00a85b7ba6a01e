import { expect, test } from 'vitest';
import { node, tree } from './support.ts';

const GOOD = {
  'README.md': 'See [errors](docs/errors.md#the-table) and [elsewhere](https://example.org). `Model` is public.\n',
  'CONTRIBUTING.md': '',
  'docs/errors.md': '# The table\n\n| code | meaning |\n|---|---|\n| `FILE_IO` | x |\n| `INTERNAL` | y |\n',
  'docs/environment.md': '| `HYPERTUNE_THREADS` | x |\n| `HYPERTUNE_LOG` | y |\n',
  'lib/engine/errors.ts': "export type ErrorCode =\n  | 'FILE_IO' // said\n  | 'INTERNAL';\n",
  'lib/index.ts': "export { Model } from './model.ts';\n",
  'lib/model.ts': 'const log = process.env.HYPERTUNE_LOG;\n',
  'native/cpu/threads.cc': 'std::getenv("HYPERTUNE_THREADS");\n',
};
const check = (files: Record<string, string>) => node('scripts/check-docs.mjs', tree({ ...GOOD, ...files }));

test('documentation that fits the code passes', () => {
  expect(check({})).toEqual({ status: 0, stdout: 'check-docs: 4 pages, 1 public names\n', stderr: '' });
});

test.each<[string, Record<string, string>, string]>([
  ['an error code without a row', { 'docs/errors.md': '| `FILE_IO` | x |\n' }, 'docs/errors.md: error code INTERNAL is not described'],
  ['a row without an error code', { 'docs/errors.md': `${GOOD['docs/errors.md']}| \`GONE\` | z |\n` }, 'docs/errors.md: error code GONE does not exist'],
  ['a variable without a row', { 'native/cpu/isa.cc': 'getenv("HYPERTUNE_ISA")' }, 'docs/environment.md: variable HYPERTUNE_ISA is not described'],
  ['a public name that no page has', { 'lib/index.ts': "export { Model } from './model.ts';\nexport type { Secret, Model } from './model.ts';\n" }, 'lib/index.ts: Secret is exported but stands in no page'],
  ['a link that leads nowhere', { 'docs/a.md': 'see [b](b.md)' }, 'docs/a.md: the link to b.md leads nowhere'],
  ['a link to an anchor that is not there', { 'docs/a.md': 'see [table](errors.md#table)' }, 'docs/a.md: the link to errors.md#table leads nowhere'],
  ['a link to an anchor of the same page', { 'docs/a.md': '# One\n\n[two](#two)' }, 'docs/a.md: the link to #two leads nowhere'],
])('%s fails', (_, files, message) => {
  const { status, stderr } = check(files);
  expect(stderr).toContain(message);
  expect(status).toBe(1);
});
