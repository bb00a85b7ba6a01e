import path from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, node, tree } from './support.ts';

const { checkImports } = (await import(path.join(ROOT, 'scripts/check-imports.mjs'))) as { checkImports(root: string): { files: number; problems: string[] } };

const GOOD = {
  'lib/index.ts': "export { run } from './cli/run.ts';\n",
  'lib/cli/run.ts': "import { t5 } from '../t5/model.ts';\nimport { help } from './help.ts';\nimport fs from 'node:fs';\nexport const run = () => [t5, help, fs];\n",
  'lib/cli/help.ts': "export const help = 'a text that says import { x } from \"../index.ts\"';\n",
  'lib/t5/model.ts': "export const t5 = 1; // import '../cli/run.ts'\n",
  'native/ops/add.cc': '#include "core/tensor.h"\n#include "ops/add.h"\n#include "loop.inc"\n#include <vector>\n',
  'native/ops/add.h': '#pragma once\n',
  'native/ops/loop.inc': '',
  'native/core/tensor.h': '#pragma once\n',
};
const check = (files: Record<string, string>) => checkImports(tree({ ...GOOD, ...files }));

test('imports that go down or sideways pass', () => {
  expect(check({})).toEqual({ files: 8, problems: [] });
});

test('the script prints the problems and fails', () => {
  expect(node('scripts/check-imports.mjs', tree(GOOD))).toEqual({ status: 0, stdout: 'check-imports: 8 files\n', stderr: '' });
  const bad = tree({ ...GOOD, 'lib/t5/model.ts': "import '../cli/run.ts';\n" });
  expect(node('scripts/check-imports.mjs', bad)).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining("lib/t5/model.ts:1: '../cli/run.ts': goes up") });
});

test.each<[string, Record<string, string>, string]>([
  ['an import that goes up', { 'lib/graph/node.ts': "\n\nimport { t5 } from '../t5/model.ts';\nexport { t5 };\n" }, "lib/graph/node.ts:3: '../t5/model.ts': goes up, from lib/graph to lib/t5"],
  ['a type import that goes up', { 'lib/graph/node.ts': "import type { T } from '../t5/model.ts';\nexport type U = T;\n" }, "lib/graph/node.ts:1: '../t5/model.ts': goes up"],
  ['an export that goes up', { 'lib/engine/x.ts': "\nexport * from '../graph/y.ts';\n", 'lib/graph/y.ts': 'export const y = 1;\n' }, "lib/engine/x.ts:2: '../graph/y.ts': goes up"],
  ['an import() that goes up', { 'lib/data/x.ts': "export const x = () => import('../hyper/y.ts');\n", 'lib/hyper/y.ts': 'export const y = 1;\n' }, "lib/data/x.ts:1: '../hyper/y.ts': goes up"],
  ['an import of the top', { 'lib/hyper/x.ts': "export { run } from '../index.ts';\n" }, "lib/hyper/x.ts:1: '../index.ts': goes up"],
  ['an include that goes up', { 'native/core/dtype.h': '#pragma once\n  #  include "ops/add.h"\n' }, "native/core/dtype.h:2: 'ops/add.h': goes up, from native/core to native/ops"],
  ['a kernel that goes up', { 'native/cuda/rows.cuh': '#include <kernel_env.h>\n#include "ops/add.h"\n' }, "native/cuda/rows.cuh:2: 'ops/add.h': goes up, from native/cuda to native/ops"],
  ['a ring of files', { 'lib/t5/model.ts': "import './other.ts';\nexport const t5 = 1;\n", 'lib/t5/other.ts': "\nimport './model.ts';\n" }, 'lib/t5/other.ts:2: closes a ring: lib/t5/model.ts > lib/t5/other.ts > lib/t5/model.ts'],
  ['a ring of headers', { 'native/core/tensor.h': '#include "core/a.h"\n', 'native/core/a.h': '#include "core/tensor.h"\n' }, 'closes a ring: native/core/a.h > native/core/tensor.h > native/core/a.h'],
  ['a folder on no level', { 'lib/misc/x.ts': 'export const x = 1;\n' }, 'lib/misc/x.ts:1: this folder is on no level'],
  ['a file that is not there', { 'lib/t5/x.ts': "import './gone.ts';\n" }, "lib/t5/x.ts:1: './gone.ts': there is no lib/t5/gone.ts"],
  ['a way out of lib', { 'lib/t5/x.ts': "import '../../test/y.ts';\n", 'test/y.ts': '' }, "lib/t5/x.ts:1: '../../test/y.ts': leads out of lib/"],
  ['a second loader of the addon', { 'lib/t5/x.ts': "import load from 'node-gyp-build';\nexport { load };\n" }, "lib/t5/x.ts:1: 'node-gyp-build': only lib/engine may load the addon"],
])('%s is named with file and line', (_, files, message) => {
  expect(check(files).problems.join('\n')).toContain(message);
});
