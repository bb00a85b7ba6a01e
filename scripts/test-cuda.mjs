// The CUDA backend on the emulated device: every op's cases under the greedy schedules with late copies, the smallest cases under all
// schedules, and everything once more under AddressSanitizer and UndefinedBehaviorSanitizer.
//   node scripts/test-cuda.mjs [cases|sanitizers|threads] ...     default: cases sanitizers
// `threads`: ThreadSanitizer, within blocks and between them, on the smallest cases; minutes.
import { spawn, spawnSync } from 'node:child_process';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { linkBackend } from './cuda-emulated.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const runner = path.join(root, 'build/tests/device_case_runner');
const emulated = path.join(root, 'build/tests/hypertune_cuda_emulated.so');

/** Runs the cases in as many processes as there are cores; each prints how many passed. */
async function cases(name, library, args, { preload, environment = {}, classic = false } = {}) {
  const started = performance.now();
  const shards = Math.max(2, os.availableParallelism());
  const runtime = preload && spawnSync('g++', [`-print-file-name=${preload}`], { encoding: 'utf8' }).stdout.trim();
  const env = { ...process.env, ASAN_OPTIONS: 'detect_leaks=0', TSAN_OPTIONS: 'exitcode=66', HYPERTUNE_CUBLAS: path.join(root, 'build/tests'), ...environment, ...(runtime && { LD_PRELOAD: runtime }) };
  const results = await Promise.all(
    Array.from({ length: shards }, (_, i) => {
      const command = [runner, 'test/ops', '--library', library, '--shard', `${i}/${shards}`, ...args];
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
  console.log(`cuda: ${name}: ${ok ? 'ok' : 'FAILED'}, ${passed} cases, ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return ok;
}

const SUITES = {
  cases: async () =>
    [await cases('greedy schedules, late copies', emulated, ['--schedules', 'greedy']), await cases('all schedules, smallest cases', emulated, ['--schedules', 'all', '--smallest', '3'])].every(Boolean),
  sanitizers: async () => cases('AddressSanitizer, UndefinedBehaviorSanitizer', await linkBackend('asan'), ['--schedules', 'first'], { preload: 'libasan.so' }),
  threads: async () => {
    const library = await linkBackend('tsan');
    const small = ['--schedules', 'first', '--smallest', '4'];
    const within = await cases('ThreadSanitizer, within blocks', library, small, { preload: 'libtsan.so', classic: true });
    const between = await cases('ThreadSanitizer, between blocks', library, ['--schedules', 'last', '--smallest', '4'], { preload: 'libtsan.so', classic: true });
    return within && between;
  },
};

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !(name in SUITES));
if (unknown) throw new Error(`'${unknown}' is none of ${Object.keys(SUITES).join(', ')}`);
let ok = true;
for (const name of wanted.length ? wanted : ['cases', 'sanitizers']) ok = (await SUITES[name]()) && ok;
process.exit(ok ? 0 : 1);
