// A hypermodel of real size with random weights: writing a LoRA adapter from evidence, and a training step through the frozen T5;
// and the same in PyTorch.
//
//   npx tsx bench/hyper/run.ts [--sizes base] [--kinds generate,training] [--device cpu] [--dtypes bf16] [--rank 16] [--evidence 1024] [--rows 16] [--length 512] [--answer 128]
//                              [--rounds 3] [--threads 1] [--peer python] [--json result.json]
//
// Both sides load the same files and take turns. Before anything is timed, the losses of the first step, or what is written, are compared.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { AdapterBank } from '../../lib/adapters/bank.ts';
import { pack } from '../../lib/data/packing.ts';
import { Random } from '../../lib/data/random.ts';
import type { DeviceName } from '../../lib/engine/engine.ts';
import { Engine, cpuSettings } from '../../lib/engine/engine.ts';
import { loadT5, saveT5 } from '../../lib/files/load-t5.ts';
import { Generator } from '../../lib/hyper/adapt.ts';
import { defaultHyperConfig } from '../../lib/hyper/config.ts';
import { loadHypermodel, saveHypermodel } from '../../lib/hyper/files.ts';
import { allocateHypermodel } from '../../lib/hyper/hypermodel.ts';
import { initializeHypermodel } from '../../lib/hyper/init.ts';
import type { FloatType } from '../../lib/graph/index.ts';
import { allocateT5 } from '../../lib/t5/parameters.ts';
import { AdamW } from '../../lib/train/adamw.ts';
import { initializeT5 } from '../../lib/train/init.ts';
import { hyperObjective } from '../../lib/train/objectives.ts';
import { trainedParameters } from '../../lib/train/parameters.ts';
import type { Work } from '../floors.ts';
import { generateWork, trainingFlops } from '../floors.ts';
import { clocked, median } from '../figures.ts';
import { PeerProcess } from '../peer.ts';
import type { SizeName } from '../sizes.ts';
import { configOf } from '../sizes.ts';

type Kind = 'generate' | 'training';
const KINDS: readonly Kind[] = ['generate', 'training'];
/** Of the loss, or of the largest number: bf16 weights on two orders of summation, through two stacks. */
const TOLERANCE = 0.05;
const RATE = 1e-4;

export interface HyperRow extends Work {
  kind: Kind;
  size: SizeName;
  dtype: FloatType;
  device: string;
  milliseconds: number;
  peer: { milliseconds: number; ratio: number } | null;
}

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: 'base' }, kinds: { type: 'string', default: KINDS.join() }, device: { type: 'string', default: 'cpu' }, dtypes: { type: 'string', default: 'bf16' },
    rank: { type: 'string', default: '16' }, evidence: { type: 'string', default: '1024' }, rows: { type: 'string', default: '16' }, length: { type: 'string', default: '512' },
    answer: { type: 'string', default: '128' }, rounds: { type: 'string', default: '3' }, threads: { type: 'string', default: '1' }, peer: { type: 'string' }, json: { type: 'string' },
  },
});
const [rank, evidence, rows, length, answer, rounds, threads] = [values.rank, values.evidence, values.rows, values.length, values.answer, values.rounds, values.threads].map(Number);
const kinds = values.kinds.split(',') as Kind[];
if (!kinds.every((kind) => KINDS.includes(kind))) throw new Error(`--kinds: expected some of ${KINDS.join(', ')}`);
const dtypes = values.dtypes.split(',') as FloatType[];

/** Random weights in `t5` and `hyper` of the folder. */
async function write(folder: string, size: SizeName): Promise<void> {
  const config = configOf(size);
  const engine = Engine.open({ device: 'cpu' });
  const t5 = allocateT5(engine, config, 'f32', true);
  await initializeT5(t5, config, Random.stream(1, 'bench', size));
  const hyper = allocateHypermodel(engine, { ...defaultHyperConfig('lora'), rank, alpha: rank, hyperTokens: evidence }, config, false);
  await initializeHypermodel(hyper, t5, Random.stream(2, 'bench', size));
  await mkdir(path.join(folder, 't5'));
  await saveT5(path.join(folder, 't5'), config, t5, 'F32');
  await saveHypermodel(path.join(folder, 'hyper'), hyper, 'F32');
  await engine.dispose();
}

/** The formula of peer.py: neither padding nor the end. */
const ids = (count: number, tokens: number, vocabulary: number) => Array.from({ length: count }, (_, r) => Int32Array.from({ length: tokens }, (_, i) => 2 + ((r * 131 + i * 17 + 7) % (vocabulary - 2))));

/** What both sides can compare: the loss of a step, or the first numbers that were written. */
interface Outcome {
  seconds: number;
  loss?: number;
  check?: number[];
}
interface Subject {
  device: string;
  run(): Promise<Outcome>;
  close(): Promise<void>;
}

async function open(folder: string, kind: Kind, dtype: FloatType): Promise<Subject> {
  const engine = Engine.open({ device: values.device as DeviceName });
  const { config, parameters } = await loadT5(engine, path.join(folder, 't5'), { dtype });
  const hyper = await loadHypermodel(engine, path.join(folder, 'hyper'), config, kind === 'generate' ? { dtype } : { frozen: false });
  const { device } = engine.info();
  const timed = async (f: () => Promise<Omit<Outcome, 'seconds'>>): Promise<Outcome> => {
    const { seconds, value } = await clocked(f, values.device);
    return { seconds, ...value };
  };
  if (kind === 'generate') {
    const bank = new AdapterBank(engine, config, { pageRank: rank });
    const generator = new Generator(hyper, ['lora'], bank);
    const input = ids(1, evidence, config.vocabSize);
    const run = () => timed(async () => {
      const [slot] = await generator.adapt(input);
      const [a] = await bank.read(slot, 'lowRank', 'encoder.block.0.layer.0.SelfAttention.q'); // waits for the device
      bank.free(slot);
      return { check: [...a.subarray(0, 8)] };
    });
    return { device, run, close: () => engine.dispose() };
  }
  const optimizer = new AdamW(engine, trainedParameters(hyper.parameters.all(), config));
  const sizes = { rows, encoderTokens: rows * length, decoderTokens: rows * answer, sets: rows, hyperTokens: rows * evidence };
  const objective = hyperObjective(engine, config, parameters, hyper, optimizer, sizes);
  const decoder = pack(ids(rows, answer, config.vocabSize));
  const batch = {
    hyper: pack(ids(rows, evidence, config.vocabSize)), setOfRow: Int32Array.from({ length: rows }, (_, r) => r), encoder: pack(ids(rows, length, config.vocabSize)), decoder, labels: decoder.ids,
  };
  const run = () => timed(async () => {
    const { loss, tokens } = await objective.accumulate(batch);
    await optimizer.update(RATE, tokens);
    return { loss: loss / tokens };
  });
  return { device, run, close: () => engine.dispose() };
}

function compare(ours: Outcome, theirs: Outcome): void {
  const [mine, other] = ours.check ? [ours.check, theirs.check!] : [[ours.loss!], [theirs.loss!]];
  const largest = Math.max(...other.map(Math.abs));
  if (!mine.every((x, i) => Math.abs(x - other[i]) <= TOLERANCE * largest)) throw new Error(`results differ: ${mine.join(' ')} and ${other.join(' ')}`);
}

cpuSettings({ threads });
const results: HyperRow[] = [];
for (const size of values.sizes.split(',') as SizeName[]) {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'bench-hyper-'));
  try {
    await write(folder, size);
    for (const [kind, dtype] of kinds.flatMap((k) => dtypes.map((d) => [k, d] as const))) {
      const subject = await open(folder, kind, dtype);
      const sizes = { kind, evidence, rows, length, answer, rate: RATE };
      const peer = values.peer
        ? await PeerProcess.start(values.peer, fileURLToPath(new URL('peer.py', import.meta.url)), [folder, String(threads), dtype, values.device === 'cuda' ? 'cuda' : 'cpu', JSON.stringify(sizes)], threads)
        : undefined;
      await peer?.answer();
      const ask = async () => (peer ? ((await peer.ask('{}')) as Outcome) : undefined);
      const [first, other] = [await subject.run(), await ask()];
      if (other) compare(first, other);
      await subject.run(); // captures what the second run replays
      await ask();
      const mine: number[] = [], theirs: number[] = [];
      for (let i = 0; i < rounds; i++) {
        mine.push((await subject.run()).seconds);
        const answered = await ask();
        if (answered) theirs.push(answered.seconds);
      }
      const config = configOf(size);
      const work = kind === 'generate' ? generateWork(config, { length: evidence, rank }, dtype === 'bf16' ? 2 : 4) : { flops: trainingFlops(config, { rows, evidence, length, answer, rank }), bytes: 0 };
      const row: HyperRow = { kind, size, dtype, device: subject.device, ...work, milliseconds: median(mine) * 1e3, peer: peer ? { milliseconds: median(theirs) * 1e3, ratio: median(theirs.map((t, i) => t / mine[i])) } : null };
      results.push(row);
      if (values.json) await writeFile(values.json, JSON.stringify({ results }));
      console.log(`${size} ${kind} ${dtype}: ${row.milliseconds.toFixed(2)} ms, ${(work.flops / row.milliseconds / 1e9).toFixed(1)} TFLOP/s${row.peer ? `, PyTorch ${row.peer.milliseconds.toFixed(2)} ms: ${row.peer.ratio.toFixed(2)}x` : ''}`);
      await peer?.stop();
      await subject.close();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}
