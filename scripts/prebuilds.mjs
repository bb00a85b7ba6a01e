// `npm run prebuilds`: builds the addon in build-<arch>/ and puts it, stripped, into prebuilds/linux-<arch>, where node-gyp-build finds it.
// `-- --arch arm64` cross-compiles with aarch64-linux-gnu-g++; `--test` also runs the cases of all ops, under qemu where it must.
// What npm publishes needs both: npm run prebuilds -- --arch x64 && npm run prebuilds -- --arch arm64.
import { copyFileSync, mkdirSync, realpathSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';
import prebuildify from 'prebuildify';

const self = fileURLToPath(import.meta.url);
const root = path.dirname(path.dirname(self));

/** How to build for each architecture on a machine of another one. */
const CROSS = {
  x64: { processor: 'x86_64', prefix: 'x86_64-linux-gnu-', emulator: ['qemu-x86_64', '-L', '/usr/x86_64-linux-gnu'] },
  arm64: { processor: 'aarch64', prefix: 'aarch64-linux-gnu-', emulator: ['qemu-aarch64', '-L', '/usr/aarch64-linux-gnu'] },
};

function run(command, args, options = { stdio: 'inherit' }) {
  const { status, stdout, error } = spawnSync(command, args, { cwd: root, encoding: 'utf8', ...options });
  if (status === 0) return stdout;
  console.error(`prebuilds: '${[command, ...args].join(' ')}' ${error ? `did not start: ${error.message}` : 'failed'}`);
  process.exit(1);
}

/** The addon of a build of its own. The used parts of the C++ runtime are linked in: systems have older ones than the compiler's. */
function build(arch, test) {
  const out = `build-${arch}`;
  const foreign = arch !== process.arch;
  const { processor, prefix, emulator } = CROSS[arch];
  const cross = foreign ? ['--CDCMAKE_SYSTEM_NAME=Linux', `--CDCMAKE_SYSTEM_PROCESSOR=${processor}`, `--CDCMAKE_CXX_COMPILER=${prefix}g++`] : [];
  const cmake = (step, ...args) => run(process.execPath, ['node_modules/cmake-js/bin/cmake-js', step, '--out', out, ...args]);
  cmake('configure', `--CDHT_TESTS=${test ? 'ON' : 'OFF'}`, '--CDCMAKE_SHARED_LINKER_FLAGS=-static-libstdc++ -Wl,--gc-sections', ...cross);
  for (const target of test ? ['hypertune', 'case_runner'] : ['hypertune']) cmake('build', '--target', target, '--parallel', '2');
  const runner = [...(foreign ? emulator : []), path.join(root, out, 'tests/case_runner'), 'test/ops'];
  if (test) run(runner[0], runner.slice(1));
  return path.join(root, out, 'Release/hypertune.node');
}

/** Copies a built addon to <out>/prebuilds/linux-<arch>/ under prebuildify's name, without symbols and without what lies beside it. */
export async function stage(addon, arch, out) {
  const cwd = path.join(root, 'build/prebuild');
  rmSync(cwd, { recursive: true, force: true });
  mkdirSync(path.join(cwd, 'build/Release'), { recursive: true });
  copyFileSync(addon, path.join(cwd, 'build/Release/hypertune.node'));
  const stripBin = arch === process.arch ? 'strip' : `${CROSS[arch].prefix}strip`;
  // CMake has built already, so the compiler that prebuildify starts is `true`.
  await promisify(prebuildify)({ name: 'hypertune-native', arch, platform: 'linux', libc: 'glibc', tagLibc: true, napi: true, strip: true, stripBin, nodeGyp: 'true', cwd, out });
  return path.join(out, 'prebuilds', `linux-${arch}`, 'hypertune-native.glibc.node');
}

/** The newest versions of the system's libraries that a binary asks for. */
function needs(file) {
  const symbols = run('objdump', ['-p', file], { stdio: ['ignore', 'pipe', 'inherit'] });
  const newest = (library) => [...symbols.matchAll(new RegExp(`${library}_([\\d.]+)`, 'g'))].map((m) => m[1]).sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1);
  return ['GLIBC', 'GLIBCXX'].map((library) => [library, newest(library)]).filter(([, version]) => version).map((pair) => pair.join(' ')).join(', ');
}

if (process.argv[1] && realpathSync(process.argv[1]) === realpathSync(self)) {
  const { arch, test } = parseArgs({ options: { arch: { type: 'string', default: process.arch }, test: { type: 'boolean', default: false } } }).values;
  if (!CROSS[arch]) {
    console.error(`prebuilds: --arch is ${Object.keys(CROSS).join(' or ')}, not ${arch}`);
    process.exit(2);
  }
  const file = await stage(build(arch, test), arch, root);
  console.log(`prebuilds: ${path.relative(root, file)}, needs ${needs(file)}`);
}
