// Line coverage of what stands between a command buffer and the kernels, by the fuzz program: fails under 95 % of the lines of
// any of the files. Only these are compiled for it; everything else comes from the objects of `npm run build:tests`.
//   node scripts/validator-coverage.mjs [mutants]
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import os from 'node:os';
import path from 'node:path';

const MEASURED = ['parse', 'check', 'plan', 'bind'];
const LEAST_PERCENT = 95;
const mutants = process.argv[2] ?? '4000';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const objects = path.join(root, 'build/CMakeFiles');

function run(command, args, cwd) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`${command} failed: ${error?.message ?? `exit code ${status}`}\n${stdout}${stderr}`);
  return stdout;
}

/** Built objects of a CMake target, without the measured files. */
function objectsOf(target) {
  const dir = path.join(objects, `${target}.dir`);
  const found = existsSync(dir) ? readdirSync(dir, { recursive: true }).filter((name) => name.endsWith('.o')) : [];
  if (found.length === 0) throw new Error(`no objects in ${dir}: build them with 'npm run build:tests'`);
  return found.filter((name) => !MEASURED.some((file) => name.endsWith(path.join('native/engine', `${file}.cc.o`)))).map((name) => path.join(dir, name));
}

/** Executed and executable lines of each measured file; what several objects hold of one line counts together. */
function coverageOf(dir) {
  const lines = new Map(MEASURED.map((file) => [file, new Map()]));
  const texts = run('gcov', ['--json-format', '--stdout', ...MEASURED.map((file) => `${file}.gcda`)], dir).split('\n').filter(Boolean);
  for (const { files } of texts.map((text) => JSON.parse(text))) {
    for (const { file, lines: counts } of files) {
      const known = file.includes('native/engine/') ? lines.get(path.basename(file, '.cc')) : undefined;
      for (const { line_number: line, count } of known ? counts : []) known.set(line, (known.get(line) ?? 0) + count);
    }
  }
  return lines;
}

/** [1, 2, 3, 7] -> '1-3, 7' */
function ranges(numbers) {
  const parts = [];
  for (const n of numbers) {
    if (parts.at(-1)?.[1] === n - 1) parts.at(-1)[1] = n;
    else parts.push([n, n]);
  }
  return parts.map(([a, b]) => (a === b ? a : `${a}-${b}`)).join(', ');
}

const dir = mkdtempSync(path.join(os.tmpdir(), 'validator-coverage-'));
let low = 0;
try {
  const others = [...objectsOf('hypertune_core'), ...objectsOf('fuzz_programs')];
  for (const file of MEASURED) {
    run('g++', ['-std=c++17', '-O0', '--coverage', '-pthread', '-I', path.join(root, 'native'), '-c', path.join(root, `native/engine/${file}.cc`), '-o', `${file}.o`], dir);
  }
  run('g++', ['--coverage', '-pthread', ...MEASURED.map((file) => `${file}.o`), ...others, '-o', 'fuzz_programs'], dir);
  process.stdout.write(run(path.join(dir, 'fuzz_programs'), ['--count', mutants], dir));
  for (const [file, lines] of coverageOf(dir)) {
    const missed = [...lines].filter(([, count]) => count === 0).map(([line]) => line).sort((a, b) => a - b);
    const percent = lines.size ? (100 * (lines.size - missed.length)) / lines.size : 0;
    console.log(`validator coverage: native/engine/${file}.cc ${percent.toFixed(1)} % of ${lines.size} lines${missed.length ? `, not line ${ranges(missed)}` : ''}`);
    if (percent < LEAST_PERCENT) low++;
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
if (low) {
  console.error(`validator coverage: ${low} of ${MEASURED.length} files are under ${LEAST_PERCENT} %`);
  process.exit(1);
}
