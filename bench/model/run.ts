// Encoding and decoding with random weights of real sizes, and the same in transformers.
//
//   npx tsx bench/model/run.ts [--sizes small,base] [--dtypes f32,bf16] [--device cpu] [--rows 1,8,32] [--length 128] [--steps 33] [--rounds 3]
//                              [--threads 1] [--peer python] [--compiled] [--json result.json]
//
// Both sides load the same files and take turns in one run (A B A B). Before anything is timed, what they compute is compared:
// encoder states to a tolerance, greedy tokens one by one where weights are fp32.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { DeviceName } from '../../lib/engine/engine.ts';
import { cpuSettings } from '../../lib/engine/engine.ts';
import type { WeightType } from '../../lib/t5/parameters.ts';
import { PeerProcess } from '../peer.ts';
import type { Outcome, SizeName, Workload } from './workloads.ts';
import { SIZE_NAMES, Subject, floor, writeModel } from './workloads.ts';

const PEER = fileURLToPath(new URL('peer.py', import.meta.url));
/** Of the largest state. bf16: products of 512 to 4,096 terms rounded at every layer, on two orders of summation. */
const TOLERANCE: Record<WeightType, number> = { f32: 1e-3, bf16: 0.1 };

interface Row extends Workload {
  size: SizeName;
  dtype: WeightType;
  device: string;
  /** Of a whole encoder pass, or of one decoding step. */
  milliseconds: number;
  tokensPerSecond: number;
  /** Floating-point operations and weight and cache bytes of a run, per second. */
  gflops: number;
  gigabytes: number;
  peer: { milliseconds: number; ratio: number } | null;
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

function compare(ours: Outcome, theirs: Outcome, work: Workload, dtype: WeightType): void {
  const largest = Math.max(...theirs.check.map(Math.abs));
  if (work.kind === 'decode') {
    if (dtype === 'f32' && ours.check.join() !== theirs.check.join()) throw new Error(`tokens differ: ${ours.check.join(' ')} and ${theirs.check.join(' ')}`);
    return;
  }
  const worst = Math.max(...ours.check.map((x, i) => Math.abs(x - theirs.check[i])));
  if (!(worst <= TOLERANCE[dtype] * largest)) throw new Error(`states differ by ${worst}, of at most ${largest}`);
}

async function measure(ours: Subject, peer: PeerProcess | undefined, work: Workload, dtype: WeightType, rounds: number): Promise<{ mine: number; theirs?: number; ratio?: number }> {
  const ask = async () => (peer ? ((await peer.ask(JSON.stringify(work))) as Outcome) : undefined);
  const [first, other] = [await ours.run(work), await ask()];
  if (other) compare(first, other, work, dtype);
  const mine: number[] = [], theirs: number[] = [];
  for (let i = 0; i < rounds; i++) {
    mine.push((await ours.run(work)).seconds);
    const answer = await ask();
    if (answer) theirs.push(answer.seconds);
  }
  return { mine: median(mine), ...(peer && { theirs: median(theirs), ratio: median(theirs.map((t, i) => t / mine[i])) }) };
}

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: 'small,base' }, dtypes: { type: 'string', default: 'f32,bf16' }, device: { type: 'string', default: 'cpu' }, rows: { type: 'string', default: '1,8,32' },
    length: { type: 'string', default: '128' }, steps: { type: 'string', default: '33' }, rounds: { type: 'string', default: '3' }, threads: { type: 'string', default: '1' },
    peer: { type: 'string' }, compiled: { type: 'boolean', default: false }, json: { type: 'string' },
  },
});
const sizes = values.sizes.split(',') as SizeName[];
if (!sizes.every((size) => SIZE_NAMES.includes(size))) throw new Error(`--sizes: expected some of ${SIZE_NAMES.join(', ')}`);
const [length, steps, rounds, threads] = [values.length, values.steps, values.rounds, values.threads].map(Number);
cpuSettings({ threads });
const results: Row[] = [];
const settings: unknown[] = [];
for (const size of sizes) {
  for (const dtype of values.dtypes.split(',') as WeightType[]) {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'bench-model-'));
    try {
      const config = await writeModel(folder, size, dtype);
      const ours = await Subject.open(folder, values.device as DeviceName, dtype);
      const peer = values.peer ? await PeerProcess.start(values.peer, PEER, [folder, String(threads), dtype, values.device === 'cuda' ? 'cuda' : 'cpu', values.compiled ? '1' : '0'], threads) : undefined;
      if (peer) settings.push({ size, dtype, ...((await peer.answer()) as object) });
      for (const rows of values.rows.split(',').map(Number)) {
        for (const kind of ['encode', 'decode'] as const) {
          const work: Workload = { kind, rows, length, steps, shortSteps: 1 };
          const { mine, theirs, ratio } = await measure(ours, peer, work, dtype, rounds);
          const { flops, bytes } = floor(config, work, dtype);
          const row: Row = {
            ...work, size, dtype, device: ours.device, milliseconds: mine * 1e3, tokensPerSecond: (kind === 'encode' ? rows * length : rows) / mine, gflops: flops / mine / 1e9,
            gigabytes: bytes / mine / 1e9, peer: theirs === undefined ? null : { milliseconds: theirs * 1e3, ratio: ratio! },
          };
          results.push(row);
          const against = row.peer ? `, transformers ${row.peer.milliseconds.toFixed(2)} ms: ${row.peer.ratio.toFixed(2)}x` : '';
          console.log(`${size} ${dtype} ${kind} ${rows} x ${length}: ${row.milliseconds.toFixed(2)} ms, ${row.gflops.toFixed(0)} GFLOP/s, ${row.gigabytes.toFixed(1)} GB/s${against}`);
        }
      }
      await peer?.stop();
      await ours.close();
    } finally {
      await rm(folder, { recursive: true });
    }
  }
}
if (values.json) {
  const machine = { cpu: os.cpus()[0]?.model, cores: os.cpus().length, ...cpuSettings() };
  await writeFile(values.json, `${JSON.stringify({ date: new Date().toISOString(), machine, peers: settings, results }, null, 1)}\n`);
}
