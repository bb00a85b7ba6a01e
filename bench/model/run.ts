// Encoding and decoding with random weights of real sizes, and the same in transformers; int8 decoding beside CTranslate2.
//
//   npx tsx bench/model/run.ts [--sizes small,base] [--dtypes f32,bf16,int8] [--device cpu] [--kinds encode,decode] [--rows 1,8,32] [--encode-rows 16] [--adapters none]
//                              [--length 128] [--steps 33] [--rounds 3] [--threads 1] [--peer python] [--compiled 1] [--json result.json]
//
// Both sides load the same files and take turns in one run (A B A B). Before anything is timed, what they compute is compared:
// encoder states to a tolerance, greedy tokens one by one where weights are fp32. --adapters: some of none, lora (one for every row),
// shared (one for all; both through PEFT in the peer) and prefix, in decoding. --compiled: rows for which the peer also decodes
// with a static cache and torch.compile.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { DeviceName } from '../../lib/engine/engine.ts';
import { cpuSettings } from '../../lib/engine/engine.ts';
import type { WeightType } from '../../lib/t5/parameters.ts';
import { machine, median } from '../figures.ts';
import { PeerProcess } from '../peer.ts';
import type { AdapterKind } from '../adapters.ts';
import { ADAPTER_KINDS } from '../adapters.ts';
import type { SizeName } from '../sizes.ts';
import { SIZE_NAMES } from '../sizes.ts';
import type { Outcome, Workload } from './workloads.ts';
import { Subject, workOf, writeModel } from './workloads.ts';

/** Of the largest state. bf16: products of 512 to 4,096 terms rounded at every layer, on two orders of summation. */
const TOLERANCE: Record<WeightType, number> = { f32: 1e-3, bf16: 0.1, int8: 0.1 };

export interface ModelRow extends Workload {
  size: SizeName;
  dtype: WeightType;
  device: string;
  /** Of a whole encoder pass, or of one decoding step. */
  milliseconds: number;
  tokensPerSecond: number;
  /** Operations and bytes that a run cannot do without, and per second. */
  flops: number;
  bytes: number;
  gflops: number;
  gigabytes: number;
  /** Share of the time in which the thread of JavaScript was busy. */
  busy: number;
  /** By the peer's way of decoding. */
  peers: Partial<Record<Way, { milliseconds: number; ratio: number }>>;
}
/** transformers as it comes, or with a static cache and torch.compile; CTranslate2, which decodes int8 only. */
type Way = 'eager' | 'compiled' | 'ctranslate2';
const SCRIPT: Record<Way, string> = { eager: 'peer.py', compiled: 'peer.py', ctranslate2: 'peer_ctranslate2.py' };
const NAME: Record<Way, string> = { eager: 'transformers', compiled: 'transformers compiled', ctranslate2: 'CTranslate2' };

function compare(ours: Outcome, theirs: Outcome, work: Workload, dtype: WeightType): void {
  const largest = Math.max(...theirs.check.map(Math.abs));
  if (work.kind === 'decode') {
    if (dtype === 'f32' && ours.check.join() !== theirs.check.join()) throw new Error(`tokens differ: ${ours.check.join(' ')} and ${theirs.check.join(' ')}`);
    return;
  }
  const worst = Math.max(...ours.check.map((x, i) => Math.abs(x - theirs.check[i])));
  if (!(worst <= TOLERANCE[dtype] * largest)) throw new Error(`states differ by ${worst}, of at most ${largest}`);
}

async function measure(ours: Subject, peers: readonly (readonly [Way, PeerProcess])[], work: Workload, dtype: WeightType, rounds: number): Promise<Pick<ModelRow, 'milliseconds' | 'busy' | 'peers'>> {
  const first = await ours.run(work);
  for (const [, peer] of peers) compare(first, (await peer.ask(JSON.stringify(work))) as Outcome, work, dtype);
  const mine: Outcome[] = [];
  const theirs = peers.map((): number[] => []);
  for (let i = 0; i < rounds; i++) {
    mine.push(await ours.run(work));
    for (const [p, [, peer]] of peers.entries()) theirs[p].push(((await peer.ask(JSON.stringify(work))) as Outcome).seconds);
  }
  const ways = peers.map(([way], p) => [way, { milliseconds: median(theirs[p]) * 1e3, ratio: median(theirs[p].map((t, i) => t / mine[i].seconds)) }] as const);
  return { milliseconds: median(mine.map((m) => m.seconds)) * 1e3, busy: median(mine.map((m) => m.busy!)), peers: Object.fromEntries(ways) };
}

const list = (text: string) => text.split(',').filter(Boolean);
const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: 'small,base' }, dtypes: { type: 'string', default: 'f32,bf16' }, device: { type: 'string', default: 'cpu' }, rows: { type: 'string', default: '1,8,32' },
    kinds: { type: 'string', default: 'encode,decode' }, adapters: { type: 'string', default: 'none' }, 'encode-rows': { type: 'string' },
    length: { type: 'string', default: '128' }, steps: { type: 'string', default: '33' }, rounds: { type: 'string', default: '3' }, threads: { type: 'string', default: '1' },
    peer: { type: 'string' }, compiled: { type: 'string', default: '' }, json: { type: 'string' },
  },
});
const sizes = list(values.sizes) as SizeName[];
const adapters = list(values.adapters) as AdapterKind[];
if (!adapters.every((kind) => ADAPTER_KINDS.includes(kind))) throw new Error(`--adapters: expected some of ${ADAPTER_KINDS.join(', ')}`);
if (!sizes.every((size) => SIZE_NAMES.includes(size))) throw new Error(`--sizes: expected some of ${SIZE_NAMES.join(', ')}`);
const [length, steps, rounds, threads] = [values.length, values.steps, values.rounds, values.threads].map(Number);
cpuSettings({ threads });
const results: ModelRow[] = [];
const settings: unknown[] = [];
async function save(): Promise<void> {
  if (!values.json) return;
  await writeFile(values.json, `${JSON.stringify({ machine: machine(), peers: settings, results }, null, 1)}\n`);
}
for (const size of sizes) {
  for (const dtype of values.dtypes.split(',') as WeightType[]) {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'bench-model-'));
    try {
      const config = await writeModel(folder, size, dtype);
      const ours = await Subject.open(folder, values.device as DeviceName, dtype);
      const start = (way: Way) => PeerProcess.start(values.peer!, fileURLToPath(new URL(SCRIPT[way], import.meta.url)), [folder, String(threads), dtype, values.device === 'cuda' ? 'cuda' : 'cpu', way === 'compiled' ? '1' : '0'], threads);
      const ways: Way[] = !values.peer ? [] : dtype === 'int8' ? ['ctranslate2'] : values.compiled ? ['eager', 'compiled'] : ['eager'];
      const peers: (readonly [Way, PeerProcess])[] = [];
      for (const way of ways) {
        const peer = await start(way);
        peers.push([way, peer]);
        settings.push({ size, dtype, ...((await peer.answer()) as object) });
      }
      const works = (list(values.kinds) as Workload['kind'][]).flatMap((kind) => {
        const [counts, kept] = kind === 'encode' ? [values['encode-rows'] ?? values.rows, ['none'] as const] : [values.rows, adapters];
        return list(counts).map(Number).flatMap((rows) => kept.map((adapter): Workload => ({ kind, rows, length, steps, shortSteps: 1, adapter })));
      });
      for (const work of works) {
        const { kind, rows, adapter } = work;
        const fitting = peers.filter(([way]) => (way === 'ctranslate2' ? kind === 'decode' && adapter === 'none' : way === 'compiled' ? kind === 'decode' && adapter === 'none' && list(values.compiled).includes(String(rows)) : adapter !== 'prefix'));
        const measured = await measure(ours, fitting, work, dtype, rounds);
        const { flops, bytes } = workOf(config, work, dtype);
        const seconds = measured.milliseconds / 1e3;
        const row: ModelRow = {
          ...work, size, dtype, device: ours.device, ...measured, tokensPerSecond: (kind === 'encode' ? rows * length : rows) / seconds, flops, bytes, gflops: flops / seconds / 1e9,
          gigabytes: bytes / seconds / 1e9,
        };
        results.push(row);
        await save();
        const against = Object.entries(row.peers).map(([way, p]) => `, ${NAME[way as Way]} ${p.milliseconds.toFixed(2)} ms: ${p.ratio.toFixed(2)}x`).join('');
        console.log(`${size} ${dtype} ${kind}${adapter === 'none' ? '' : ` ${adapter}`} ${rows} x ${length}: ${row.milliseconds.toFixed(2)} ms, ${row.gflops.toFixed(0)} GFLOP/s, ${row.gigabytes.toFixed(1)} GB/s${against}`);
      }
      for (const [, peer] of peers) await peer.stop();
      await ours.close();
    } finally {
      await rm(folder, { recursive: true });
    }
  }
}
