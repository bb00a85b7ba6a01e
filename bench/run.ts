// `npm run bench`: the suites of the CPU in turn, each in a process of its own; prints what they measure and how it stands to the targets, and
// keeps both. Needs `npm run build:bench`.
//
//   npm run bench -- [--suites model,adapters] [--peers python] [--quick] [--json FILE]
//
// `--peers`: a Python with the packages of bench/requirements.txt; suites that have a peer then take turns with it. `--quick` tries that
// everything runs, on tiny models. Default of `--json`: bench/results/cpu-<isa>-<commit>.json, with `--quick` none. Suites that are not
// run keep what an earlier run of that file measured.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Measured } from './cpu/figures.ts';
import { figuresOf } from './cpu/figures.ts';
import { TARGETS } from './cpu/targets.ts';
import { machine } from './figures.ts';
import { judge, table } from './targets.ts';

interface Suite {
  name: keyof Measured;
  program: string;
  args: string;
  /** In place of `args` with `--quick`. */
  quick: string;
  peer?: true;
}

const SUITES: readonly Suite[] = [
  { name: 'gemm', program: 'gemm_bench', args: '1', quick: '1 1' },
  { name: 'gemm2', program: 'gemm_bench', args: '2', quick: '2 1' },
  { name: 'ops', program: 'ops_bench', args: '1', quick: '1 lora_linear' },
  { name: 'model', program: 'bench/model/run.ts', args: '--sizes small,base --dtypes f32,bf16,int8 --rows 1,8,32 --encode-rows 1,8 --steps 17', quick: '--sizes tiny --rows 1 --rounds 1 --steps 5', peer: true },
  { name: 'model2', program: 'bench/model/run.ts', args: '--sizes base --kinds decode --rows 1 --threads 2', quick: '--sizes tiny --kinds decode --rows 1 --threads 2 --rounds 1 --steps 5' },
  { name: 'sizes', program: 'bench/model/run.ts', args: '--sizes t5-small,large --rows 1 --steps 9', quick: '--sizes t5-small --dtypes f32 --rows 1 --rounds 1 --steps 3', peer: true },
  { name: 'adapters', program: 'bench/model/adapters.ts', args: '', quick: '--sizes tiny --rows 2 --rounds 1 --rank 4' },
  { name: 'mixed', program: 'bench/model/run.ts', args: '--sizes base --dtypes f32 --kinds decode --adapters lora --rows 8,32 --steps 9', quick: '--sizes tiny --dtypes f32 --kinds decode --adapters lora --rows 2 --rounds 1 --steps 3', peer: true },
  { name: 'generate', program: 'bench/hyper/run.ts', args: '--kinds generate --sizes base --dtypes f32,bf16', quick: '--kinds generate --sizes tiny --dtypes f32 --rank 4 --evidence 24 --rounds 1', peer: true },
  { name: 'train', program: 'bench/train/t5.ts', args: '', quick: '--size tiny --rounds 1 --steps 1', peer: true },
  { name: 'hypertuning', program: 'bench/train/hypertuning.ts', args: '--kinds prefix,lora --lengths public,config,full', quick: '--kinds prefix --lengths public,full --steps 1 --rounds 1', peer: true },
  { name: 'start', program: 'bench/model/start.ts', args: '', quick: '--rounds 1' },
  { name: 'memory', program: 'bench/model/memory.ts', args: '--sizes base', quick: '--sizes tiny' },
  { name: 'threads', program: 'bench/soak/run.ts', args: 'busy --size 0.3', quick: 'busy --size 0.01' },
];

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const { values: args } = parseArgs({ options: { suites: { type: 'string' }, peers: { type: 'string' }, quick: { type: 'boolean', default: false }, json: { type: 'string' } } });
const names = args.suites?.split(',') ?? SUITES.map(({ name }) => name);
const unknown = names.find((name) => !SUITES.some((s) => s.name === name));
if (unknown) throw new Error(`--suites: ${unknown} is none of ${SUITES.map((s) => s.name).join(', ')}`);

const here = machine();
const kept = args.json ?? (args.quick ? undefined : path.join(ROOT, `bench/results/cpu-${here.isa}-${here.commit}.json`));
const measured = kept && existsSync(kept) ? (JSON.parse(await readFile(kept, 'utf8')) as { measured: Measured }).measured : {};
const failed: string[] = [];
const folder = await mkdtemp(path.join(os.tmpdir(), 'hypertune-bench-'));
try {
  for (const suite of SUITES.filter(({ name }) => names.includes(name))) {
    console.log(`\n== ${suite.name}`);
    const json = path.join(folder, `${suite.name}.json`);
    const [command, ...rest] = commandOf(suite, json);
    if (spawnSync(command, rest, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] }).status !== 0) failed.push(suite.name);
    if (existsSync(json)) Object.assign(measured, { [suite.name]: (JSON.parse(await readFile(json, 'utf8')) as { results: unknown }).results });
    if (kept) await writeFile(kept, `${JSON.stringify({ machine: here, measured, figures: figuresOf(measured) }, null, 1)}\n`);
  }
} finally {
  await rm(folder, { recursive: true });
}
console.log(`\n${table(judge(figuresOf(measured), TARGETS))}`);
if (kept) console.log(`\n${path.relative(process.cwd(), kept)}`);
if (failed.length) {
  console.error(`failed: ${failed.join(', ')}`);
  process.exitCode = 1;
}

function commandOf({ program, args: full, quick, peer }: Suite, json: string): string[] {
  const own = [...(args.quick ? quick : full).split(' ').filter(Boolean), ...(peer && args.peers ? ['--peer', args.peers] : []), '--json', json];
  return program.endsWith('.ts') ? [process.execPath, '--import', 'tsx', program, ...own] : [path.join(ROOT, 'build/bench', program), ...own];
}
