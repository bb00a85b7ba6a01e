// `npm run test:sanitized [-- address|leak|thread [arguments]]`: builds everything with sanitizers in folders of its own, and runs
//   address  the whole vitest suite (or the files given) on an addon with AddressSanitizer and UndefinedBehaviorSanitizer
//   leak     a script that calls every public function, on the same addon; any leak counts, node's own included
//   thread   the C++ tests of pool, engine and kernels with ThreadSanitizer
// Without arguments all three. No suppressions.
import { mkdirSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const folder = (name) => path.join(root, 'build/sanitized', name);

/** C++ programs that start threads, with their arguments; the emulated CUDA kernels have nets of their own (scripts/cuda-emulated.mjs). */
const THREADED = { threads_test: [], engines_test: [], fuzz_programs: ['--count', '2000'], replay_programs: ['test/fuzz/corpus/programs'], packed_weight_test: [] };

function run(command, args, environment = {}) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...environment } });
  if (error) throw error;
  return signal ? 1 : status;
}

function must(command, args) {
  if (run(command, args) !== 0) throw new Error(`${command} ${args.join(' ')} failed`);
}

const tool = (name) => path.join(root, 'node_modules', name);

function buildAddon() {
  const options = ['--out', folder('address/build'), '--CDHT_TESTS=OFF', '--CDHT_SANITIZE=address,undefined', '--CDCMAKE_CXX_FLAGS_RELEASE=-O1'];
  must(process.execPath, [tool('cmake-js/bin/cmake-js'), 'configure', ...options]);
  must(process.execPath, [tool('cmake-js/bin/cmake-js'), 'build', ...options, '--parallel', '2']);
}

/** Node itself is built without sanitizers, so their runtime has to be there first. */
function underAddress(options) {
  const library = (name) => spawnSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout.trim();
  return {
    LD_PRELOAD: `${library('libasan.so')} ${library('libubsan.so')}`, HYPERTUNE_NATIVE_PREBUILD: folder('address'),
    ASAN_OPTIONS: `${options}:detect_stack_use_after_return=1:strict_string_checks=1:alloc_dealloc_mismatch=0`, UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
  };
}

const SUITES = {
  address(files) {
    buildAddon();
    must('npm', ['run', '--silent', 'build:tests']); // the emulated CUDA libraries, which have sanitizers of their own elsewhere
    return run(process.execPath, [tool('vitest/vitest.mjs'), 'run', '--test-timeout', '1200000', ...files], underAddress('detect_leaks=0'));
  },
  leak() {
    buildAddon();
    must('npm', ['run', '--silent', 'build:ts']);
    const planted = path.join(folder('address'), 'planted_leak.so');
    must('gcc', ['-shared', '-fPIC', '-o', planted, 'test/sanitized/planted_leak.c']);
    const environment = underAddress('detect_leaks=1:fast_unwind_on_malloc=0');
    if (run(process.execPath, ['-e', '0'], { ...environment, LD_PRELOAD: `${environment.LD_PRELOAD} ${planted}` }) === 0) throw new Error('a planted leak is not found');
    console.log('the planted leak has been found; now every public function');
    return run(process.execPath, ['test/sanitized/every-function.mjs'], environment);
  },
  thread() {
    const build = folder('thread');
    mkdirSync(build, { recursive: true });
    must('cmake', ['-S', root, '-B', build, '-DCMAKE_BUILD_TYPE=Release', '-DHT_TESTS=ON', '-DHT_SANITIZE=thread', '-DCMAKE_CXX_FLAGS_RELEASE=-O1']);
    must('cmake', ['--build', build, '--parallel', '2', '--target', ...Object.keys(THREADED)]);
    let failed = 0;
    for (const [name, args] of Object.entries(THREADED)) {
      const status = run(path.join(build, 'tests', name), args, { TSAN_OPTIONS: 'halt_on_error=1' });
      console.log(`thread sanitizer: ${name}: ${status === 0 ? 'ok' : 'FAILED'}`);
      failed += status !== 0;
    }
    return failed;
  },
};

const [name, ...rest] = process.argv.slice(2);
if (name && !SUITES[name]) throw new Error(`'${name}' is none of ${Object.keys(SUITES).join(', ')}`);
let failed = 0;
for (const suite of name ? [name] : Object.keys(SUITES)) {
  console.log(`\n== ${suite}`);
  const status = SUITES[suite](rest);
  console.log(`${suite}: ${status === 0 ? 'ok' : 'FAILED'}`);
  failed += status !== 0;
}
process.exit(failed ? 1 : 0);
