// Runs every C++ test program of build/tests, which CMake builds with HT_TESTS=ON.
import { existsSync, readdirSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const dir = path.join(root, 'build/tests');

/** Arguments of the programs that take any; they run from the root. */
const ARGUMENTS = {
  case_runner: ['test/ops'],
  device_case_runner: ['test/ops', '--library', 'build/tests/hypertune_cuda_emulated.so', '--smallest', '1'], // all of them: scripts/test-cuda.mjs
  fuzz_programs: ['--count', '100000'],
  replay_programs: ['test/fuzz/corpus/programs'],
};

const programs = existsSync(dir) ? readdirSync(dir, { withFileTypes: true }).filter((e) => e.isFile() && !e.name.includes('.')).map((e) => e.name).sort() : [];
if (programs.length === 0) {
  console.error(`no C++ test program in ${dir}: build them with 'npm run build:tests'`);
  process.exit(1);
}

let failed = 0;
for (const name of programs) {
  const started = performance.now();
  const { status, signal, error } = spawnSync(path.join(dir, name), ARGUMENTS[name] ?? [], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = error?.message ?? (signal ? `ended by ${signal}` : `exit code ${status}`);
  if (status !== 0) failed++;
  console.log(`native: ${name}: ${status === 0 ? 'ok' : `FAILED, ${ended}`}, ${((performance.now() - started) / 1000).toFixed(1)} s`);
}
console.log(`native: ${programs.length - failed} programs passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
