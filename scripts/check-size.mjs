// Fails where the tarball of npm pack, its weights left out, is larger than its budget; prints both sizes.
// node scripts/check-size.mjs [folder]
import { spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const self = fileURLToPath(import.meta.url);
const BUDGET = 2_000_000;
const mb = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;

/** Bytes of these files as a compressed tarball. */
function packed(folder, files) {
  const { status, stdout, stderr } = spawnSync('tar', ['-czf', '-', '--files-from=-'], { cwd: folder, input: files.join('\n'), maxBuffer: 2 ** 28 });
  if (status !== 0) throw new Error(`tar: ${stderr}`);
  return stdout.length;
}

/** Names of the files that `npm pack` takes. */
function filesOf(folder) {
  const { status, stdout, stderr } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: folder, encoding: 'utf8', maxBuffer: 2 ** 28 });
  if (status !== 0) throw new Error(`npm pack: ${stderr}`);
  return JSON.parse(stdout)[0].files.map((file) => file.path);
}

/** Returns a line with the sizes; throws where the budget is exceeded. */
export function checkSize(folder, files = filesOf(folder)) {
  const isWeights = (file) => file.startsWith('weights/');
  const code = packed(folder, files.filter((file) => !isWeights(file)));
  const prebuilds = files.filter((file) => file.endsWith('.node')).map((file) => path.dirname(file)).join(', ') || 'no prebuilds';
  const line = `the tarball without weights is ${mb(code)} of ${mb(BUDGET)} (${prebuilds}), weights add ${mb(packed(folder, files.filter(isWeights)))}`;
  if (code > BUDGET) throw new Error(`${line}: over the budget`);
  return line;
}

if (process.argv[1] && realpathSync(process.argv[1]) === realpathSync(self)) {
  try {
    console.log(`check-size: ${checkSize(path.resolve(process.argv[2] ?? path.dirname(path.dirname(self))))}`);
  } catch ({ message }) {
    console.error(`check-size: ${message}`);
    process.exit(1);
  }
}
