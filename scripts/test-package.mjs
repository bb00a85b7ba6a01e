// `npm run test:package`: packs what npm would publish, with the addon of build/Release as its prebuilt binary, installs the tarball into
// an empty folder without scripts and without a compiler on the PATH, and uses it there. Dependencies come from npm's cache where it has them.
// `-- --source` installs a tarball without prebuilt binaries instead, whose install script compiles (minutes).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import os from 'node:os';
import path from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { build as bundle } from 'esbuild';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import ts from 'typescript';
import { checkSize } from './check-size.mjs';
import { packCudaPackage } from './cuda-package.mjs';
import { stage } from './prebuilds.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const fromSource = process.argv.includes('--source');
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
const work = mkdtempSync(path.join(os.tmpdir(), 'hypertune-package-'));
const [staging, consumer, bin] = ['staging', 'consumer', 'bin'].map((name) => path.join(work, name));
const installed = path.join(consumer, 'node_modules', manifest.name);
const tarball = path.join(work, `${manifest.name}-${manifest.version}.tgz`);
/** A PATH on which there is Node and nothing else. */
const bare = { ...process.env, PATH: bin };

function run(command, args, { cwd = consumer, env = bare } = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`'${[command, ...args].join(' ')}' failed: ${error?.message ?? `${stdout}${stderr}`}`);
  return stdout;
}

const node = (args, env = {}) => JSON.parse(run(process.execPath, args, { env: { ...bare, ...env } }));

async function pack() {
  for (const name of [...manifest.files, 'package.json', 'README.md', 'LICENSE', 'NOTICE'].filter((name) => name !== 'prebuilds')) {
    if (existsSync(path.join(root, name))) cpSync(path.join(root, name), path.join(staging, name), { recursive: true });
  }
  if (!fromSource) await stage(path.join(root, 'build/Release/hypertune.node'), process.arch, staging);
  const [{ files }] = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', work], { cwd: staging, env: process.env }));
  console.log(`package: ${checkSize(staging, files.map((file) => file.path))}`);
}

/** An empty project whose lock file has our dependencies as ours has them, so that npm needs no more than its cache. */
function install() {
  const { packages } = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8'));
  const needed = Object.fromEntries(Object.entries(packages).filter(([folder, { dev }]) => folder && !dev));
  const dependencies = { [manifest.name]: `file:${tarball}` };
  const own = { version: manifest.version, resolved: dependencies[manifest.name], dependencies: manifest.dependencies, hasInstallScript: true, bin: manifest.bin };
  const lock = { name: 'consumer', lockfileVersion: 3, requires: true, packages: { '': { dependencies }, [`node_modules/${manifest.name}`]: own, ...needed } };
  for (const folder of [consumer, bin]) mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(consumer, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module', dependencies }));
  writeFileSync(path.join(consumer, 'package-lock.json'), JSON.stringify(lock));
  symlinkSync(process.execPath, path.join(bin, 'node'));
  const npm = run('sh', ['-c', 'readlink -f "$(command -v npm)"'], { env: process.env }).trim();
  const scripts = fromSource ? [] : ['--ignore-scripts'];
  run(process.execPath, [npm, 'ci', '--prefer-offline', '--no-audit', '--no-fund', ...scripts], { env: fromSource ? process.env : bare });
  cpSync(path.join(root, 'test/package'), consumer, { recursive: true });
}

function compileTypes(options, files) {
  const strict = { strict: true, noEmit: true, target: ts.ScriptTarget.ES2022, lib: ['lib.es2022.d.ts'], types: ['node'], typeRoots: [path.join(root, 'node_modules/@types')] };
  const program = ts.createProgram(files.map((file) => path.join(consumer, file)), { ...strict, ...options });
  const host = { getCurrentDirectory: () => consumer, getCanonicalFileName: (name) => name, getNewLine: () => '\n' };
  assert.equal(ts.formatDiagnostics(ts.getPreEmitDiagnostics(program), host), '');
}

const { Bundler, NodeNext, Node16 } = ts.ModuleResolutionKind;
const names = [...readFileSync(path.join(root, 'lib/index.ts'), 'utf8').matchAll(/^export \{([^}]*)\}/gm)].flatMap((m) => m[1].split(',').map((name) => name.trim())).sort();
const expected = { answer: 'member answer society pass', names };

const CHECKS = {
  'publint': async () => {
    const { messages, pkg } = await publint({ pkgDir: installed, strict: true, pack: false });
    assert.deepEqual(messages.map((message) => formatMessage(message, pkg, { color: false })), []);
  },
  'are the types wrong': async () => {
    const { problems } = await checkPackage(createPackageFromTarballData(new Uint8Array(readFileSync(tarball))));
    // Every Node that `engines` admits can require() an ES module, which this tool does not know; require.cjs and types.cts test it.
    assert.deepEqual(problems.filter(({ kind }) => kind !== 'CJSResolvesToESM'), []);
  },
  'types: nodenext, import and require': () => compileTypes({ module: ts.ModuleKind.NodeNext, moduleResolution: NodeNext }, ['types.ts', 'types.cts']),
  'types: node16, import': () => compileTypes({ module: ts.ModuleKind.Node16, moduleResolution: Node16 }, ['types.ts']),
  'types: bundler': () => compileTypes({ module: ts.ModuleKind.ESNext, moduleResolution: Bundler }, ['types.ts']),
  'import': () => assert.deepEqual(node(['answer.mjs']), expected),
  'require': () => assert.deepEqual(node(['require.cjs']).names, names),
  'worker thread': () => assert.deepEqual(node(['worker.mjs']), expected),
  'esbuild, the package external': async () => {
    await bundle({ entryPoints: [path.join(consumer, 'answer.mjs')], outfile: path.join(consumer, 'bundled/app.mjs'), bundle: true, platform: 'node', format: 'esm', external: [manifest.name], logLevel: 'error' });
    assert.deepEqual(node(['bundled/app.mjs']), expected);
  },
  'command': () => assert.match(run(process.execPath, ['node_modules/.bin/hypertune', '--version']), new RegExp(`^${manifest.version}$`, 'm')),
  'another platform': () => {
    const fake = (name, value) => ['--import', `data:text/javascript,Object.defineProperty(process,'${name}',{value:'${value}'})`];
    assert.equal(node([...fake('platform', 'darwin'), 'device.mjs', 'cpu']).code, 'PLATFORM_UNSUPPORTED');
    const { code, message } = node([...fake('arch', 'riscv64'), 'device.mjs', 'cpu'], { npm_config_arch: 'riscv64' });
    assert.equal(code, 'PLATFORM_UNSUPPORTED');
    for (const place of ['build/Release', 'build/Debug', 'prebuilds/linux-riscv64']) assert.ok(message.includes(path.join(installed, place)), message);
  },
  'CUDA package': () => {
    assert.match(node(['device.mjs', 'cuda']).message, /no package hypertune-native-cuda/);
    const packed = packCudaPackage(path.join(root, 'build/tests/hypertune_cuda_broken.so'), work);
    run('tar', ['-xzf', packed, '-C', path.join(consumer, 'node_modules'), '--transform=s/^package/hypertune-native-cuda/'], { env: process.env });
    assert.equal(node(['device.mjs', 'cuda'], { HT_BROKEN_BACKEND: 'error' }).code, 'DEVICE_UNAVAILABLE');
  },
};

let failed = 0;
async function step(name, work) {
  const started = performance.now();
  try {
    await work();
    console.log(`package: ${name}: ok, ${((performance.now() - started) / 1000).toFixed(1)} s`);
  } catch (error) {
    failed++;
    console.error(`package: ${name}: FAILED: ${error.message}`);
  }
}

try {
  await step('pack', pack);
  if (!failed) await step('install', install);
  const checks = fromSource ? { import: CHECKS.import } : CHECKS;
  if (!failed) for (const [name, check] of Object.entries(checks)) await step(name, check);
} finally {
  rmSync(work, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);
