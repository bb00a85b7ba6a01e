// Decoding with an adapter for each row: what rows of one batch with LoRA adapters of their own cost over a T5 without any.
//
//   npx tsx bench/model/adapters.ts [--sizes base] [--dtypes f32,bf16] [--rows 1,8,32] [--rank 16] [--length 8] [--steps 17] [--rounds 3]
//                                   [--threads 1] [--json result.json]
//
// Every round takes all mixtures in turn, so that they have the same load beside them. 32 adapters on q and v of all attentions;
// `identical`: one for all rows, `uniform` and `zipf`: drawn, `distinct`: one for each row. The ratio is the time without adapters divided by theirs.
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { AdapterBank, slotId } from '../../lib/adapters/bank.ts';
import type { Slot } from '../../lib/adapters/bank.ts';
import { Random } from '../../lib/data/random.ts';
import { Engine, cpuSettings } from '../../lib/engine/engine.ts';
import { loadT5 } from '../../lib/files/load-t5.ts';
import { T5Decoder } from '../../lib/t5/decoding/index.ts';
import type { WeightType } from '../../lib/t5/parameters.ts';
import { freshLayout, freshSlot } from '../../lib/train/tune-start.ts';
import type { Figure } from '../figures.ts';
import { conclude, median, seconds } from '../figures.ts';
import type { SizeName } from '../sizes.ts';
import { inputs, writeModel } from './workloads.ts';

const ADAPTERS = 32;

const MIXTURES = {
  none: () => () => -1,
  identical: () => () => 0,
  uniform: (rng: Random) => () => rng.int(ADAPTERS),
  zipf: (rng: Random) => () => rng.weighted(Array.from({ length: ADAPTERS }, (_, i) => 1 / (i + 1))),
  distinct: () => (row: number) => row % ADAPTERS,
} satisfies Record<string, (rng: Random) => (row: number) => number>;
type Mixture = keyof typeof MIXTURES;

const { values: args } = parseArgs({
  options: {
    sizes: { type: 'string', default: 'base' }, dtypes: { type: 'string', default: 'f32,bf16' }, rows: { type: 'string', default: '1,8,32' }, rank: { type: 'string', default: '16' },
    length: { type: 'string', default: '8' }, steps: { type: 'string', default: '17' }, rounds: { type: 'string', default: '3' }, threads: { type: 'string', default: '1' },
    json: { type: 'string' },
  },
});
const [rank, length, steps, rounds] = [args.rank, args.length, args.steps, args.rounds].map(Number);
cpuSettings({ threads: Number(args.threads) });
const figures: Figure[] = [];
for (const size of args.sizes.split(',') as SizeName[]) {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'bench-adapters-'));
  try {
    await writeModel(folder, size, 'f32');
    for (const dtype of args.dtypes.split(',') as WeightType[]) figures.push(...(await measure(folder, size, dtype)));
  } finally {
    await rm(folder, { recursive: true });
  }
}
await conclude(figures, args.json);

async function measure(folder: string, size: SizeName, dtype: WeightType): Promise<Figure[]> {
  await using engine = Engine.open({ device: 'cpu' });
  const { config, parameters } = await loadT5(engine, folder, { dtype });
  const bank = new AdapterBank(engine, config);
  const layout = freshLayout(config, { kind: 'lora', rank });
  const slots: Slot[] = [];
  for (let i = 0; i < ADAPTERS; i++) slots.push(await freshSlot(bank, layout, i));
  const decoder = new T5Decoder(engine, config, parameters, bank.adaptation('zero'));
  const found: Figure[] = [];
  for (const rows of args.rows.split(',').map(Number)) {
    const ids = inputs({ rows, length }, config.vocabSize);
    const times = new Map<Mixture, number[]>();
    for (let round = 0; round <= rounds; round++) {
      for (const mixture of Object.keys(MIXTURES) as Mixture[]) {
        const draw = MIXTURES[mixture](Random.stream(round, mixture));
        const chosen = Int32Array.from({ length: rows }, (_, row) => slotId(slots[draw(row)]));
        const generate = (count: number) => seconds(() => decoder.generate(ids, { maxNewTokens: count, minNewTokens: count, slots: chosen }));
        const [short, long] = [await generate(1), await generate(steps)];
        if (round) times.set(mixture, [...(times.get(mixture) ?? []), (long - short) / (steps - 1)]); // the first round plans and warms up
      }
    }
    const none = times.get('none')!;
    for (const [mixture, own] of times) {
      const ratios = mixture === 'none' ? undefined : { 'no adapter': median(own.map((t, i) => none[i] / t)) };
      found.push({ id: `lora-decode/${size}/${dtype}/${rows}/${mixture}`, value: median(own) * 1e3, unit: 'ms', ...(ratios && { ratios }) });
    }
  }
  await decoder.dispose();
  return found;
}
