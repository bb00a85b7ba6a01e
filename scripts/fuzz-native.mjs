// libFuzzer on command buffers: engine and fuzz target compiled by clang with coverage, AddressSanitizer and UndefinedBehaviorSanitizer,
// kernels taken as they are from the objects of `npm run build:native` (fuzz_programs, built with sanitizers, watches those).
//   node scripts/fuzz-native.mjs [seconds] [corpus folder]
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const [seconds = '600', corpus = path.join(root, 'build/fuzz/programs')] = process.argv.slice(2);
const folder = path.join(root, 'build/fuzz/objects');
const kept = path.join(root, 'test/fuzz/corpus/programs');
const FLAGS = ['-std=c++17', '-O1', '-g1', '-fno-omit-frame-pointer', '-fsanitize=address,undefined', '-fno-sanitize-recover=undefined'];
const SOURCES = [
  ...['bind', 'check', 'cuda_library', 'engine', 'host_backend', 'parse', 'plan', 'storage'].map((name) => `native/engine/${name}.cc`),
  ...['corpus_basic', 'corpus_generation', 'corpus_model', 'inputs', 'libfuzzer_programs', 'mutate'].map((name) => `test/native/engine/${name}.cc`),
];

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ended with ${status}`);
}

const clang = ['clang++', 'clang++-14', 'clang++-15', 'clang++-16', 'clang++-17', 'clang++-18'].find((name) => spawnSync(name, ['--version']).status === 0);
if (!clang) throw new Error('libFuzzer comes with clang, which is not installed');
const built = path.join(root, 'build/CMakeFiles/hypertune_core.dir');
const kernels = existsSync(built) ? readdirSync(built, { recursive: true }).filter((name) => name.endsWith('.o') && !name.includes('native/engine/')).map((name) => path.join(built, name)) : [];
if (kernels.length === 0) throw new Error("no objects of the kernels: build them with 'npm run build:native'");
for (const dir of [folder, corpus, kept]) mkdirSync(dir, { recursive: true });
const objects = SOURCES.map((source) => path.join(folder, `${path.basename(source, '.cc')}.o`));
SOURCES.forEach((source, i) => run(clang, [...FLAGS, '-fsanitize=fuzzer-no-link', '-pthread', '-Inative', '-Itest/native', '-Itest/native/engine', '-c', source, '-o', objects[i]]));
const binary = path.join(root, 'build/fuzz/libfuzzer_programs');
run(clang, [...FLAGS, '-fsanitize=fuzzer', '-pthread', ...objects, ...kernels, '-ldl', '-o', binary]);
run(binary, [`-max_total_time=${seconds}`, '-max_len=16384', '-timeout=30', '-rss_limit_mb=4096', '-print_final_stats=1', `-artifact_prefix=${path.join(root, 'build/fuzz/')}`, corpus, kept]);
