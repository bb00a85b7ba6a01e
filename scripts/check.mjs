// What must hold before tests run: `npm run check`. Every step is a command; each prints its time, and all run even if one fails.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Name and arguments of node, from the root. */
const STEPS = [
  ['format', ['scripts/check-format.mjs']],
  ['levels and rings of imports', ['scripts/check-imports.mjs']],
  ['generated op tables', ['scripts/generate-ops.mjs', '--check']],
  ['documentation', ['scripts/check-docs.mjs']],
  ['licences of dependencies', ['scripts/check-licences.mjs']],
  ['size of the package', ['scripts/check-size.mjs']],
  ['types', ['node_modules/typescript/bin/tsc', '--noEmit', '-p', '.']],
  ['lint', ['node_modules/eslint/bin/eslint.js', '.']],
  ['API reference', ['node_modules/typedoc/bin/typedoc', '--emit', 'docs']],
];

const failed = [];
for (const [name, args] of STEPS) {
  const started = performance.now();
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) failed.push(name);
  console.log(`check: ${name}: ${status === 0 ? 'ok' : 'FAILED'}, ${((performance.now() - started) / 1000).toFixed(1)} s`);
}
if (failed.length) {
  console.error(`check: failed: ${failed.join('; ')}`);
  process.exit(1);
}
