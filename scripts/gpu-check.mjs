// Everything that only a GPU can tell, in one command for a machine that is at hand for minutes: `npm run gpu-check`. Needs `npm run build`.
//   npm run gpu-check -- [--minutes 25] [--only STEP,...] [--sizes base,large] [--python python3] [--commit ID] [--results FOLDER] [--emulated]
//
// Every step may take its share of the minutes; one that fails or runs out of time is named at the end, and the others run all the
// same. What was measured is written to bench/results/<device>-<commit>.json (steps of an earlier run of that commit stay in it), and compared
// with the targets. --emulated: the same on the emulated device with tiny sizes, to try this script; after `npm run build:tests`. Its
// figures mean nothing and go to a temporary folder.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ceilingsOf, figuresOf } from '../bench/gpu/figures.ts';
import { stepKernels } from '../bench/gpu/step-kernels.ts';
import { TARGETS } from '../bench/gpu/targets.ts';
import { judge, table } from '../bench/targets.ts';
import { build, configure, findNvcc } from './build-cuda.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const { values: args } = parseArgs({
  options: {
    minutes: { type: 'string', default: '25' }, only: { type: 'string' }, sizes: { type: 'string', default: 'base,large' }, python: { type: 'string', default: 'python3' },
    commit: { type: 'string' }, results: { type: 'string' }, emulated: { type: 'boolean', default: false },
  },
});
const { emulated } = args;
const minutes = Number(args.minutes);
if (!(minutes > 0)) throw new Error(`--minutes is ${args.minutes}, not a positive number.`);

const programs = path.join(root, emulated ? 'build/tests' : 'build-cuda');
const library = path.join(root, emulated ? 'build/tests/hypertune_cuda_emulated.so' : 'build/Release/hypertune_cuda.so');
process.env.HYPERTUNE_CUDA_LIBRARY = library;
if (emulated) process.env.HYPERTUNE_CUBLAS = programs;
const deviceBench = path.join(root, emulated ? 'build' : 'build-cuda', 'bench/device_bench');
const caseRunner = [path.join(programs, 'device_case_runner'), 'test/ops', '--library', library];
const tsx = path.join(root, 'node_modules/tsx/dist/cli.mjs');

/** Milliseconds between asking a process to end and ending it. */
const PATIENCE = 3000;
/** Commands end with their step: whole process groups, for benches have children. */
let deadline = Infinity;
function run(command, list, { env = {}, capture = false } = {}) {
  const child = spawn(command, list, { cwd: root, env: { ...process.env, ...env }, detached: true, stdio: ['ignore', capture ? 'pipe' : 'inherit', 'inherit'] });
  let out = '';
  child.stdout?.setEncoding('utf8').on('data', (data) => {
    out += data;
    process.stdout.write(data);
  });
  let late = false;
  let last;
  const timer = setTimeout(() => {
    late = true;
    process.kill(-child.pid, 'SIGTERM'); // ninja then ends its compilers, which are no part of its group
    last = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), PATIENCE);
  }, Math.max(0, deadline - performance.now()));
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(error)).on('close', (code, signal) => {
      clearTimeout(timer);
      clearTimeout(last);
      const name = path.basename(command === process.execPath ? list.find((word) => !word.startsWith('-') && word !== tsx) : command);
      if (late) reject(new Error(`${name}: out of time`));
      else if (code !== 0) reject(new Error(`${name}: ${signal ?? `exit code ${code}`}`));
      else resolve(out);
    });
  });
}
const node = (...list) => run(process.execPath, list);

/** Runs a bench, which writes what it has measured so far after every figure: a part that fails later is not lost. */
async function bench(part, script, ...list) {
  const file = path.join(mkdtempSync(path.join(work, 'bench-')), 'result.json');
  try {
    await node(tsx, script, ...list, '--json', file);
  } finally {
    if (existsSync(file)) measured[part] = [...(measured[part] ?? []), ...JSON.parse(readFileSync(file, 'utf8')).results];
  }
}

async function buildAll() {
  if (!existsSync(path.join(root, 'build/Release/hypertune.node'))) throw new Error("there is no addon: run 'npm run build' first");
  const jobs = ['--parallel', String(os.availableParallelism())];
  const onDevice = ['fragments_test', 'cuda_ceilings'];
  if (!emulated) {
    await node('scripts/build-cuda.mjs');
    await run('cmake', ['-S', '.', '-B', build, '-DHT_BENCH=ON']);
    return run('cmake', ['--build', build, ...jobs, '--target', 'device_case_runner', 'device_bench', ...onDevice]);
  }
  await run('cmake', ['-S', '.', '-B', 'build', '-DHT_TESTS=ON', '-DHT_BENCH=ON'], { capture: true });
  await run('cmake', ['--build', 'build', ...jobs, '--target', 'hypertune_cuda_emulated', 'device_case_runner', 'fragments_test', 'device_bench']);
  configure(findNvcc());
  return run('cmake', ['--build', build, ...jobs, '--target', ...onDevice]);
}

/** Cases in as many processes as there are cores, for their reference is computed on the CPU. */
async function cases(list, launcher = [], environment = {}) {
  const shards = Math.min(8, os.availableParallelism());
  const each = Array.from({ length: shards }, (_, i) => [...launcher, ...caseRunner, ...list, '--shard', `${i}/${shards}`]);
  await Promise.all(each.map(([command, ...rest]) => run(command, rest, { env: environment })));
}

async function sanitize(tool) {
  await cases(['--smallest', '1'], ['compute-sanitizer', '--tool', tool, '--error-exitcode', '9', '--print-limit', '5'], { HYPERTUNE_CUDA_GRAPHS: '0' });
}

const tiny = { sizes: 'tiny', rows: '1,2', encodeRows: '1', lengths: ['--length', '8', '--steps', '4', '--rounds', '1'] };
const full = { sizes: args.sizes, rows: '1,8,32', encodeRows: '1,16', lengths: ['--length', '512', '--steps', '129', '--rounds', '3'] };
const device = ['--device', 'cuda'];

async function models() {
  const { sizes, rows, encodeRows, lengths } = emulated ? tiny : full;
  const common = ['--sizes', sizes, '--dtypes', 'bf16', ...device, ...lengths];
  // PyTorch has no such device as the emulated one.
  await bench('model', 'bench/model/run.ts', ...common, '--rows', rows, '--encode-rows', encodeRows, '--adapters', 'none,lora,shared,prefix', ...(emulated ? [] : [...peer, '--compiled', '1']));
}

async function hyper(kind) {
  if (emulated) return bench(kind, 'bench/hyper/run.ts', '--kinds', kind, '--sizes', 'tiny', ...device, '--rank', '4', '--evidence', '24', '--rows', '2', '--length', '12', '--answer', '6', '--rounds', '1');
  // A step of the large model keeps more than the device has.
  return bench(kind, 'bench/hyper/run.ts', '--kinds', kind, '--sizes', kind === 'training' ? 'base' : args.sizes, ...device, ...peer);
}

async function ceilings() {
  const lines = (await run(path.join(programs, 'cuda_ceilings'), [], { capture: true })).trim().split('\n').map((line) => JSON.parse(line));
  Object.assign(machine, lines.shift());
  measured.ceilings = lines;
}

async function kernels() {
  measured.kernels = await stepKernels(['none', 'lora', 'prefix'], [1]);
  for (const { adapter, rows, total, layer } of measured.kernels) console.log(`${rows} row, ${adapter}: ${layer.length} in a layer, ${total} with two: ${layer.join(', ')}`);
}

const PEER_ON_CPU = ['--tiny', '--peer-device', 'cpu', '--rounds', '1', '--runs', '1'];

/** Name, share of the minutes, what it does, and the one device on which it makes sense. */
const STEPS = [
  ['build', 0.4, buildAll],
  ['cases', 0.2, () => cases(emulated ? ['--smallest', '1'] : [])],
  ['main-job', 0.1, () => node('node_modules/vitest/vitest.mjs', 'run', 'test/cuda/main-job.test.ts')],
  ['fragments', 0.05, () => run(path.join(programs, 'fragments_test'), [])],
  ['memcheck', 0.15, () => sanitize('memcheck'), 'real'],
  ['racecheck', 0.15, () => sanitize('racecheck'), 'real'],
  ['ceilings', 0.1, ceilings, 'real'],
  ['ops', 0.2, () => bench('ops', 'bench/ops/run.ts', '--bench', deviceBench, '--library', library, ...peer, ...(emulated ? PEER_ON_CPU : []))],
  ['model', 0.4, models],
  ['generate', 0.2, () => hyper('generate')],
  ['training', 0.2, () => hyper('training')],
  ['kernels', 0.3, kernels, 'emulated'],
];

const possible = STEPS.filter(([, , , where]) => !where || (where === 'emulated') === emulated).map(([name]) => name);
const wanted = args.only?.split(',') ?? possible;
const unknown = wanted.find((name) => !possible.includes(name));
if (unknown) throw new Error(`--only: there is no step ${unknown} on this device; there are ${possible.join(', ')}.`);

const work = mkdtempSync(path.join(os.tmpdir(), 'gpu-check-'));
/** Without PyTorch there are no peers, and the rest is measured all the same. */
const peer = spawnSync(args.python, ['-c', 'import torch']).status === 0 ? ['--peer', args.python] : [];
if (!peer.length) console.log(`gpu-check: ${args.python} has no PyTorch: nothing is compared with it`);
const measured = {};
const machine = {};
const steps = [];
const ends = performance.now() + minutes * 60_000;
for (const [name, share, step] of STEPS.filter(([name]) => wanted.includes(name))) {
  console.log(`\n== ${name}`);
  const started = performance.now();
  deadline = Math.min(ends, started + share * minutes * 60_000);
  const why = await (started < ends ? step() : Promise.reject(new Error('no time was left'))).then(() => undefined, (error) => error.message);
  steps.push({ step: name, seconds: Math.round((performance.now() - started) / 100) / 10, ...(why && { failed: why }) });
  console.log(`gpu-check: ${name}: ${why ? `FAILED, ${why}` : 'ok'}, ${steps.at(-1).seconds} s`);
}

const say = (command, ...list) => spawnSync(command, list, { cwd: root, encoding: 'utf8' }).stdout?.trim() || undefined;
const commit = args.commit ?? say('git', 'rev-parse', '--short', 'HEAD') ?? 'unknown';
const [name, driver] = (emulated ? 'emulated' : (say('nvidia-smi', '--query-gpu=name,driver_version', '--format=csv,noheader')?.split('\n')[0] ?? machine.device ?? 'unknown')).split(', ');
const folder = emulated ? work : path.resolve(args.results ?? path.join(root, 'bench/results'));
mkdirSync(folder, { recursive: true });
const file = path.join(folder, `${name.replace(/[^\w.]+/g, '-').toLowerCase()}-${commit}.json`);
const before = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
const all = { ...before.measured, ...measured };
const judged = judge(figuresOf(all), TARGETS);
const result = {
  ...before, ...machine, device: name, driver: driver ?? machine.driver, commit, date: new Date().toISOString(), emulated,
  steps: [...(before.steps ?? []).filter(({ step }) => !steps.some((s) => s.step === step)), ...steps],
  ceilings: ceilingsOf(all), figures: figuresOf(all), targets: judged.map(({ workload, value, met }) => ({ workload, value, met })), measured: all,
};
writeFileSync(file, `${JSON.stringify(result, null, 1)}\n`);

console.log(`\n${name}, commit ${commit}${emulated ? ': emulated, figures mean nothing' : ''}\n${table(judged)}\n\n${file}`);
for (const { step, seconds, failed } of steps) console.log(`${seconds.toFixed(1).padStart(8)} s  ${failed ? 'FAILED' : 'ok    '}  ${step}${failed ? `: ${failed}` : ''}`);
process.exit(steps.some(({ failed }) => failed) ? 1 : 0);
