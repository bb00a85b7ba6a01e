// `npm run build:cuda`: compiles the CUDA backend with nvcc into build-cuda/ and puts hypertune_cuda.so beside the addon.
// Prints registers and spills of every kernel; a kernel that spills fails the build. `-- --check` compiles and copies nothing;
// `-- --pack` makes a tarball of the package hypertune-native-cuda instead, in build-cuda/.
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import os from 'node:os';
import path from 'node:path';
import { LIBRARY, packCudaPackage } from './cuda-package.mjs';

const self = fileURLToPath(import.meta.url);
const root = path.dirname(path.dirname(self));
export const build = path.join(root, 'build-cuda');
const LEAST_NVCC = 12; // sm_90a

function stop(code, message) {
  console.error(`build-cuda: ${code}: ${message}`);
  process.exit(1);
}

/** nvidia folders of the Python environments there are. */
function wheels() {
  const { VIRTUAL_ENV, CONDA_PREFIX, HOME } = process.env;
  const libs = [VIRTUAL_ENV, CONDA_PREFIX, HOME && path.join(HOME, '.local'), '/usr/local'].filter(Boolean).map((prefix) => path.join(prefix, 'lib'));
  const found = libs.filter(existsSync).flatMap((lib) => readdirSync(lib).filter((name) => name.startsWith('python3')).flatMap((python) => ['site-packages', 'dist-packages'].map((p) => path.join(lib, python, p, 'nvidia'))));
  return found.filter(existsSync);
}

/** { nvcc, flags }: the compiler, and where a wheel keeps what a toolkit has in the compiler's own folders; undefined where there is none. */
export function findNvcc() {
  const { PATH = '', CUDA_HOME, CUDA_PATH } = process.env;
  const folders = [...PATH.split(path.delimiter), ...[CUDA_HOME, CUDA_PATH, '/usr/local/cuda', '/opt/cuda'].filter(Boolean).map((home) => path.join(home, 'bin'))].filter(Boolean);
  const inToolkit = folders.map((folder) => path.join(folder, 'nvcc')).find(existsSync);
  if (inToolkit) return { nvcc: inToolkit, flags: [] };
  for (const nvidia of wheels()) {
    for (const [compiler, runtime] of [['cu13', 'cu13'], ['cuda_nvcc', 'cuda_runtime']]) {
      const nvcc = path.join(nvidia, compiler, 'bin/nvcc');
      if (!existsSync(nvcc)) continue;
      const includes = [runtime, 'cuda_cccl'].map((name) => path.join(nvidia, name, 'include')).filter(existsSync);
      return { nvcc, flags: [...includes.map((folder) => `-I${folder}`), `-L${path.join(nvidia, runtime, 'lib')}`] };
    }
  }
  return undefined;
}

function requireVersion(nvcc) {
  const { status, stdout } = spawnSync(nvcc, ['--version'], { encoding: 'utf8' });
  const release = /release (\d+)\.(\d+)/.exec(stdout ?? '');
  if (status !== 0 || !release) stop('NVCC_BROKEN', `'${nvcc} --version' does not say a version. Install the CUDA toolkit again.`);
  if (Number(release[1]) < LEAST_NVCC) stop('NVCC_TOO_OLD', `${nvcc} is of CUDA ${release[1]}.${release[2]}. Install the CUDA toolkit ${LEAST_NVCC} or newer, or set CUDA_HOME to its folder.`);
  return `${release[1]}.${release[2]}`;
}

export function configure({ nvcc, flags }) {
  if (spawnSync('cmake', ['--version']).error) stop('CMAKE_NOT_FOUND', 'there is no cmake on the PATH. Install CMake 3.22 or newer.');
  const ninja = spawnSync('ninja', ['--version']).status === 0;
  const cache = path.join(build, 'CMakeCache.txt');
  // CMake keeps the compiler that it once found.
  if (existsSync(cache) && !readFileSync(cache, 'utf8').includes(`=${nvcc}\n`)) rmSync(build, { recursive: true });
  const generator = existsSync(cache) ? [] : ['-G', ninja ? 'Ninja' : 'Unix Makefiles'];
  const args = ['-S', root, '-B', build, ...generator, '-DHT_CUDA=ON', '-DCMAKE_BUILD_TYPE=Release', `-DCMAKE_CUDA_COMPILER=${nvcc}`, `-DCMAKE_CUDA_FLAGS=${flags.join(' ')}`];
  if (spawnSync('cmake', args, { stdio: ['ignore', 'ignore', 'inherit'] }).status !== 0) stop('CONFIGURE_FAILED', `'cmake ${args.join(' ')}' failed.`);
}

/** Compiles; resolves with the compiler's output by source file. ptxas reports go there, everything else to the console. */
function compile() {
  const makefiles = existsSync(path.join(build, 'Makefile'));
  const args = ['--build', build, '--target', 'hypertune_cuda', '--parallel', String(os.availableParallelism()), ...(makefiles ? ['--', '--output-sync=target'] : [])];
  // One stream: a report belongs to the file that was named last.
  const child = spawn('sh', ['-c', 'exec cmake "$@" 2>&1', 'sh', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const reports = new Map();
  let file = '';
  let rest = '';
  const take = (line) => {
    file = /Building CUDA object \S*hypertune_cuda\.dir\/(\S+)\.o/.exec(line)?.[1] ?? file;
    if (!reports.has(file)) reports.set(file, []);
    if (/^ptxas info|^\s+\d+ bytes stack frame/.test(line)) reports.get(file).push(line);
    else if (line) console.log(line);
  };
  child.stdout.setEncoding('utf8').on('data', (data) => {
    const lines = (rest + data).split('\n');
    rest = lines.pop();
    lines.forEach(take);
  });
  return new Promise((resolve) => {
    child.on('close', (status) => {
      take(rest);
      if (status !== 0) stop('COMPILE_FAILED', 'the messages above say where.');
      resolve(reports);
    });
  });
}

/** [{ name, arch, registers, shared, stack, spill }] of one file's report. */
export function kernelsOf(lines) {
  const kernels = [];
  for (const line of lines) {
    const entry = /Compiling entry function '(\S+)' for '(\w+)'/.exec(line);
    if (entry) kernels.push({ name: entry[1], arch: entry[2], registers: 0, shared: 0, stack: 0, spill: 0 });
    const kernel = kernels.at(-1);
    if (!kernel) continue;
    const frame = /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/.exec(line);
    if (frame) Object.assign(kernel, { stack: Number(frame[1]), spill: Number(frame[2]) + Number(frame[3]) });
    const used = /Used (\d+) registers/.exec(line);
    if (used) Object.assign(kernel, { registers: Number(used[1]), shared: Number(/(\d+) bytes smem/.exec(line)?.[1] ?? 0) });
  }
  return kernels;
}

/** Files that were not compiled again keep what they reported last. */
function remember(reports) {
  const file = path.join(build, 'kernels.json');
  const known = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  for (const [source, lines] of reports) if (lines.length) known[source] = kernelsOf(lines);
  const kept = Object.fromEntries(Object.entries(known).filter(([source]) => existsSync(path.join(root, source))).sort());
  writeFileSync(file, `${JSON.stringify(kept)}\n`);
  return kept;
}

function demangle(names) {
  const { stdout, status } = spawnSync('c++filt', [], { input: names.join('\n'), encoding: 'utf8' });
  const readable = status === 0 ? stdout.split('\n') : names;
  const short = (name) => name.replace(/^void /, '').replace(/ht::cuda::|_GLOBAL__N__\w+::|\(anonymous namespace\)::/g, '').replace(/__nv_bfloat16/g, 'bf16').replace(/\(.*/, '');
  return new Map(names.map((name, i) => [name, short(readable[i] ?? name)]));
}

/** Prints what the kernels of each file take, and returns those that spill. */
export function printTable(files) {
  const names = demangle([...new Set(Object.values(files).flat().map((k) => k.name))]);
  const row = (...cells) => console.log(`${cells.slice(0, -1).map((c, i) => (i ? String(c).padStart(9) : String(c).padEnd(7))).join('')}  ${cells.at(-1)}`);
  for (const [source, kernels] of Object.entries(files)) {
    if (!kernels.length) continue;
    console.log(`\n${source}`);
    row('', 'registers', 'shared', 'stack', 'spilled', 'kernel');
    for (const k of kernels) row(k.arch, k.registers, k.shared, k.stack, k.spill, names.get(k.name));
  }
  return Object.values(files).flat().filter((k) => k.spill > 0).map((k) => `${names.get(k.name)} (${k.arch}, ${k.spill} bytes)`);
}

function install() {
  let folder = path.join(root, 'build/Release');
  try {
    folder = path.dirname(createRequire(import.meta.url)('node-gyp-build').path(root));
  } catch {
    // The addon is not built yet; it will come there.
  }
  mkdirSync(folder, { recursive: true });
  const to = path.join(folder, LIBRARY);
  const beside = `${to}.new`; // renamed, because a process may have the old one mapped
  copyFileSync(path.join(build, LIBRARY), beside);
  renameSync(beside, to);
  console.log(`build-cuda: ${path.relative(root, to)}`);
}

if (process.argv[1] && realpathSync(process.argv[1]) === realpathSync(self)) {
  const compiler = findNvcc() ?? stop('NVCC_NOT_FOUND', `there is no nvcc on the PATH, in CUDA_HOME, in /usr/local/cuda or in a Python environment. Install the CUDA toolkit ${LEAST_NVCC} or newer, or set CUDA_HOME to its folder.`);
  console.log(`build-cuda: ${compiler.nvcc}, CUDA ${requireVersion(compiler.nvcc)}`);
  configure(compiler);
  const spilled = printTable(remember(await compile()));
  if (spilled.length) stop('SPILL', `registers are spilled by ${spilled.join('; ')}. Use fewer registers per thread or fewer threads per block.`);
  if (process.argv.includes('--pack')) console.log(`build-cuda: ${path.relative(root, packCudaPackage(path.join(build, LIBRARY), build))}`);
  else if (!process.argv.includes('--check')) install();
}
