// A training step of a whole T5 on full rows, and the same step in PyTorch.
//
//   npx tsx bench/train/t5.ts [--size small] [--dtypes f32,bf16] [--rows 4] [--length 128] [--answer 32] [--steps 2] [--rounds 3]
//                             [--threads 1] [--peer python] [--json result.json]
//
// Random weights, AdamW, all parameters train. bf16: matrices in bf16 with fp32 masters here, autocast over fp32 weights there.
// Both sides load the same files, must find the same losses, and take turns in one run (A B A B).
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Engine, cpuSettings } from '../../lib/engine/engine.ts';
import { loadT5 } from '../../lib/files/load-t5.ts';
import type { FloatType } from '../../lib/graph/index.ts';
import { AdamW } from '../../lib/train/adamw.ts';
import { textObjective } from '../../lib/train/objectives.ts';
import type { TextRows } from '../../lib/train/objectives.ts';
import type { TrainedParameter } from '../../lib/train/optimizer.ts';
import type { Figure } from '../figures.ts';
import { conclude, median, seconds } from '../figures.ts';
import { inputs, writeModel } from '../model/workloads.ts';
import type { SizeName } from '../sizes.ts';
import { PeerProcess } from '../peer.ts';

const PEER = fileURLToPath(new URL('t5_peer.py', import.meta.url));
const RATE = 1e-4;
/** Steps whose losses must agree. */
const CHECKED = 2;
const TOLERANCE: Record<FloatType, number> = { f32: 1e-4, bf16: 1e-2 };

interface Answer {
  seconds: number[];
  losses: number[];
}

const { values: args } = parseArgs({
  options: {
    size: { type: 'string', default: 'small' }, dtypes: { type: 'string', default: 'f32,bf16' }, rows: { type: 'string', default: '4' }, length: { type: 'string', default: '128' },
    answer: { type: 'string', default: '32' }, steps: { type: 'string', default: '2' }, rounds: { type: 'string', default: '3' }, threads: { type: 'string', default: '1' },
    peer: { type: 'string' }, json: { type: 'string' },
  },
});
const size = args.size as SizeName;
const [rows, length, answer, steps, rounds, threads] = [args.rows, args.length, args.answer, args.steps, args.rounds, args.threads].map(Number);
cpuSettings({ threads });
const figures: Figure[] = [];
const settings: unknown[] = [];
const folder = await mkdtemp(path.join(os.tmpdir(), 'bench-train-'));
try {
  const config = await writeModel(folder, size, 'f32');
  for (const dtype of args.dtypes.split(',') as FloatType[]) {
    await using engine = Engine.open({ device: 'cpu' });
    const { parameters } = await loadT5(engine, folder, { dtype, frozen: false });
    const masters = dtype === 'bf16' ? (await loadT5(engine, folder, { dtype: 'f32', frozen: false })).parameters : undefined;
    const trained = parameters.all().map((p): TrainedParameter => ({ ...p, lrScale: 1, weightDecay: 0, ...(p.buffer.dtype === 'bf16' && { master: masters!.get(p.name).buffer }) }));
    const optimizer = new AdamW(engine, trained, { maxNorm: 1 });
    const objective = textObjective(engine, config, parameters, optimizer, { rows, encoderTokens: rows * length, decoderTokens: rows * answer });
    const batch = fullRows(config.vocabSize);
    const step = async () => {
      const { loss, tokens } = await objective.accumulate(batch);
      await optimizer.update(RATE, tokens);
      return loss / tokens;
    };
    const peer = args.peer ? await PeerProcess.start(args.peer, PEER, [folder, String(threads), dtype, ...[rows, length, answer, RATE].map(String)], threads) : undefined;
    const ask = async (count: number) => (await peer!.ask(String(count))) as Answer;
    if (peer) settings.push({ size, dtype, ...((await peer.answer()) as object) });
    const losses = [];
    for (let i = 0; i < CHECKED; i++) losses.push(await step());
    if (peer) compare(losses, (await ask(CHECKED)).losses, dtype);
    const times: { ours: number; theirs?: number }[] = [];
    for (let round = 0; round < rounds; round++) {
      const own: number[] = [];
      for (let i = 0; i < steps; i++) own.push(await seconds(step));
      times.push({ ours: median(own), ...(peer && { theirs: median((await ask(steps)).seconds) }) });
    }
    figures.push({
      id: `train/${size}/${dtype}`, value: 1e3 * median(times.map((t) => t.ours)), unit: 'ms',
      ...(peer && { ratios: { PyTorch: median(times.map((t) => t.theirs! / t.ours)) } }),
    });
    await peer?.stop();
    objective.dispose();
    optimizer.dispose();
  }
} finally {
  await rm(folder, { recursive: true });
}
await conclude(figures, args.json, settings);

/** Inputs by the formula of workloads.ts; answers are the beginnings of the inputs. */
function fullRows(vocabulary: number): TextRows {
  const encoder = inputs({ rows, length }, vocabulary);
  const answers = encoder.map((ids) => ids.subarray(0, answer));
  const pack = (list: readonly Int32Array[]) => ({ ids: Int32Array.from(list.flatMap((ids) => [...ids])), offsets: Int32Array.from({ length: list.length + 1 }, (_, i) => i * (list[0]?.length ?? 0)) });
  return { encoder: pack(encoder), decoder: pack(answers.map((ids) => Int32Array.from([0, ...ids.subarray(0, -1)]))), labels: pack(answers).ids };
}

function compare(ours: readonly number[], theirs: readonly number[], dtype: FloatType): void {
  const worst = Math.max(...ours.map((x, i) => Math.abs(x - theirs[i]) / theirs[i]));
  if (!(worst <= TOLERANCE[dtype])) throw new Error(`losses differ: ${ours.join(' ')} and ${theirs.join(' ')}`);
}
