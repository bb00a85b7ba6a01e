// `npm test`: builds, checks, then runs the C++ test programs and vitest; every suite runs, each prints its time.
// The last line counts vitest's tests and, as one each, the other suites. Arguments go to vitest: npm test -- test/graph
import { readFileSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { findNvcc } from './build-cuda.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const report = path.join(root, 'build/vitest.json');

/** A `needed` suite ends the run when it fails; one that is not `possible` here is left out, and the end of the run says so. */
const SUITES = [
  { name: 'build: addon and C++ test programs', command: 'npm', args: ['run', '--silent', 'build:tests'], needed: true },
  { name: 'build: TypeScript', command: 'npm', args: ['run', '--silent', 'build:ts'], needed: true },
  { name: 'checks', command: process.execPath, args: ['scripts/check.mjs'] },
  { name: 'C++ tests', command: process.execPath, args: ['scripts/test-native.mjs'] },
  { name: 'CUDA kernels on the CPU, and with sanitizers', command: process.execPath, args: ['scripts/test-cuda.mjs', 'cases', 'sanitizers'] },
  { name: 'CUDA kernels with nvcc', command: process.execPath, args: ['scripts/build-cuda.mjs', '--check'], possible: () => findNvcc() !== undefined },
  { name: 'coverage of the program validator', command: process.execPath, args: ['scripts/validator-coverage.mjs'] },
  { name: 'learning', command: process.execPath, args: ['node_modules/tsx/dist/cli.mjs', 'scripts/check-learning.ts'] },
  { name: 'package', command: process.execPath, args: ['scripts/test-package.mjs'] },
  {
    name: 'vitest', command: process.execPath,
    args: ['node_modules/vitest/vitest.mjs', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...process.argv.slice(2)],
    counts: () => {
      const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(readFileSync(report, 'utf8'));
      return { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests + numTodoTests };
    },
  },
];

/** What the suite says of itself; a failure that it does not count, such as a crash, counts as one. */
function countsOf({ counts }, ok) {
  try {
    const found = counts?.() ?? { passed: Number(ok), failed: 0, skipped: 0 };
    return ok ? found : { ...found, failed: Math.max(found.failed, 1) };
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

rmSync(report, { force: true });
const lines = [];
const total = { passed: 0, failed: 0, skipped: 0 };
const begun = performance.now();
const seconds = (since) => ((performance.now() - since) / 1000).toFixed(1).padStart(7);
for (const suite of SUITES) {
  if (suite.possible?.() === false) {
    lines.push(`${''.padStart(9)}  left out  ${suite.name}`);
    continue;
  }
  console.log(`\n== ${suite.name}`);
  const started = performance.now();
  const { status } = spawnSync(suite.command, suite.args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  const counts = countsOf(suite, status === 0);
  for (const key of Object.keys(total)) total[key] += counts[key];
  lines.push(`${seconds(started)} s  ${status === 0 ? 'ok    ' : 'FAILED'}  ${suite.name}`);
  if (status !== 0 && suite.needed) break;
}
console.log(`\n${lines.join('\n')}\n${seconds(begun)} s  in all`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed ? 1 : 0);
