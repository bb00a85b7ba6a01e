// Builds the emulated CUDA backend outside CMake, in variants that tests of the tests need: with sanitizers, and with a file replaced.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
export const work = path.join(root, 'build', 'cuda-emulated');

const VARIANTS = {
  plain: [],
  asan: ['-g1', '-fsanitize=address,undefined', '-fno-sanitize-recover=undefined'],
  tsan: ['-g1', '-fsanitize=thread'],
};

export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  if (result.error && result.error.code !== 'ETIMEDOUT') throw result.error;
  return result;
}

/** The sources of CMakeLists.txt's target hypertune_cuda_emulated. */
function sources() {
  const list = /set\(HT_CUDA_SOURCES([^)]*)\)/.exec(readFileSync(path.join(root, 'CMakeLists.txt'), 'utf8'))[1].trim().split(/\s+/);
  const emulator = readdirSync(path.join(root, 'test/cuda-emulator')).filter((f) => f.endsWith('.cc')).map((f) => `test/cuda-emulator/${f}`);
  const kernels = ['native/ops', 'native/cuda'].flatMap((dir) => readdirSync(path.join(root, dir)).filter((f) => f.endsWith('.cu')).map((f) => `${dir}/${f}`));
  return [...list, ...emulator, ...kernels];
}

/** Compiles one source; a file of `overlay` hides that of the project. */
export async function compile(source, variant, folder, overlay) {
  const object = path.join(folder, `${source.replaceAll('/', '_')}.o`);
  const file = overlay && existsSync(path.join(overlay, source)) ? path.join(overlay, source) : source;
  const includes = [...(overlay ? [`-I${path.join(overlay, 'native')}`] : []), '-Itest/cuda-emulator/include', '-Inative'];
  const flags = ['-std=c++17', '-O1', '-fPIC', '-fvisibility=hidden', '-DCUDA_EMU', '-DHT_CUDA_DEVICE_NAME="cuda-emulated"', '-w', '-MMD', '-MF', `${object}.d`, ...VARIANTS[variant], ...includes];
  const child = spawn('g++', [...flags, '-x', 'c++', '-c', file, '-o', object], { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (data) => (said += data));
  const status = await new Promise((resolve, reject) => child.on('close', resolve).on('error', reject));
  if (status !== 0) throw new Error(`${source} does not compile:\n${said}`);
  return object;
}

/** What an object was made from, from the compiler's own list; empty where there is none. */
function uses(object) {
  if (!existsSync(`${object}.d`)) return [];
  const list = readFileSync(`${object}.d`, 'utf8').replace(/\\\n/g, ' ').split(': ').slice(1).join(': ');
  return list.trim().split(/\s+/).map((f) => path.relative(root, path.resolve(root, f)));
}

/** Calls f for each item, as many at a time as there are cores. */
export async function parallel(items, f) {
  const results = new Array(items.length);
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < items.length; i = next++) results[i] = await f(items[i]);
  };
  await Promise.all(Array.from({ length: os.availableParallelism() }, worker));
  return results;
}

/** Objects of the backend by source, each with the files it was made from; compiled where these are newer. */
export async function objects(variant) {
  const folder = path.join(work, variant);
  mkdirSync(folder, { recursive: true });
  return new Map(
    await parallel(sources(), async (source) => {
      const object = path.join(folder, `${source.replaceAll('/', '_')}.o`);
      const before = uses(object);
      const fresh = existsSync(object) && before.length > 0 && before.every((f) => existsSync(path.join(root, f)) && statSync(path.join(root, f)).mtimeMs <= statSync(object).mtimeMs);
      if (!fresh) await compile(source, variant, folder);
      return [source, { object, uses: new Set(uses(object)) }];
    }),
  );
}

export function link(objectFiles, variant, out) {
  const { status, stderr } = run('g++', ['-shared', ...VARIANTS[variant], '-o', out, ...objectFiles, '-ldl', '-lpthread']);
  if (status !== 0) throw new Error(`does not link:\n${stderr}`);
  return out;
}

/** The unbroken backend in a variant. */
export async function linkBackend(variant) {
  return link([...(await objects(variant)).values()].map(({ object }) => object), variant, path.join(work, `${variant}.so`));
}
