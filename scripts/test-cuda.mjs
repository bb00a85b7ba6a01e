// The CUDA backend on the emulated device: every op's cases, and chains of nodes (test/native/cuda/fuse_test.cc), under the greedy schedules with late copies, the smallest cases under all
// schedules, and everything once more under AddressSanitizer and UndefinedBehaviorSanitizer.
//   node scripts/test-cuda.mjs [cases|sanitizers|threads] ...     default: cases sanitizers
// `threads`: ThreadSanitizer, within blocks and between them, on the smallest cases; minutes.
import { spawn, spawnSync } from 'node:child_process';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { linkBackend } from './cuda-emulated.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const RUNNER = ['device_case_runner', 'test/ops'], CHAINS = ['fuse_test'];
const emulated = path.join(root, 'build/tests/hypertune_cuda_emulated.so');

/** Runs the cases in as many processes as there are cores, each prints how many passed; another program is run once. */
async function cases(name, library, args, { preload, environment = {}, classic = false, program: [program, ...first] = RUNNER } = {}) {
  const started = performance.now();
  const shards = program === RUNNER[0] ? Math.max(2, os.availableParallelism()) : 1;
  const runtime = preload && spawnSync('g++', [`-print-file-name=${preload}`], { encoding: 'utf8' }).stdout.trim();
  const env = { ...process.env, ASAN_OPTIONS: 'detect_leaks=0', TSAN_OPTIONS: 'exitcode=66', HYPERTUNE_CUBLAS: path.join(root, 'build/tests'), ...environment, ...(runtime && { LD_PRELOAD: runtime }) };
  const results = await Promise.all(
    Array.from({ length: shards }, (_, i) => {
      const command = [path.join(root, 'build/tests', program), ...first, '--library', library, ...(shards > 1 ? ['--shard', `${i}/${shards}`] : []), ...args];
      // GCC's ThreadSanitizer wants the classic layout of addresses.
      const child = classic ? spawn('setarch', ['-R', ...command], { cwd: root, env }) : spawn(command[0], command.slice(1), { cwd: root, env });
      let out = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (out += data));
      return new Promise((resolve) => child.on('close', (code, signal) => resolve({ out, ok: code === 0, signal })));
    }),
  );
  const passed = results.reduce((sum, { out }) => sum + Number(/(\d+) passed/.exec(out)?.[1] ?? 0), 0);
  const ok = results.every((r) => r.ok);
  for (const r of results) if (!r.ok) console.log(r.out.slice(-4000), r.signal ?? '');
  console.log(`cuda: ${name}: ${ok ? 'ok' : 'FAILED'}, ${program === RUNNER[0] ? `${passed} cases, ` : ''}${((performance.now() - started) / 1000).toFixed(1)} s`);
  return ok;
}

const SUITES = {
  cases: async () =>
    [
      await cases('greedy schedules, late copies', emulated, ['--schedules', 'greedy']),
      await cases('all schedules, smallest cases', emulated, ['--schedules', 'all', '--smallest', '3']),
      await cases('all schedules, chains', emulated, ['--schedules', 'all'], { program: CHAINS }),
    ].every(Boolean),
  sanitizers: async () => {
    const library = await linkBackend('asan');
    const name = 'AddressSanitizer, UndefinedBehaviorSanitizer', first = ['--schedules', 'first'];
    return [await cases(name, library, first, { preload: 'libasan.so' }), await cases(`${name}, chains`, library, first, { preload: 'libasan.so', program: CHAINS })].every(Boolean);
  },
  threads: async () => {
    const library = await linkBackend('tsan');
    const small = ['--schedules', 'first', '--smallest', '4'];
    const within = await cases('ThreadSanitizer, within blocks', library, small, { preload: 'libtsan.so', classic: true });
    const between = await cases('ThreadSanitizer, between blocks', library, ['--schedules', 'last', '--smallest', '4'], { preload: 'libtsan.so', classic: true });
    const chains = await cases('ThreadSanitizer, chains', library, ['--schedules', 'last'], { preload: 'libtsan.so', classic: true, program: CHAINS });
    return within && between && chains;
  },
};

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !(name in SUITES));
if (unknown) throw new Error(`'${unknown}' is none of ${Object.keys(SUITES).join(', ')}`);
let ok = true;
for (const name of wanted.length ? wanted : ['cases', 'sanitizers']) ok = (await SUITES[name]()) && ok;
process.exit(ok ? 0 : 1);
