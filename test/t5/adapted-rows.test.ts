/** Every row of a batch decodes with its own slot of every state. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine } from '../../lib/engine/engine.ts';
import { HypertuneError } from '../../lib/engine/errors.ts';
import type { DeviceBuffer } from '../../lib/engine/engine.ts';
import type { Adaptation, GenerateCall } from '../../lib/t5/decoding/index.ts';
import { innerWidth } from '../../lib/t5/config.ts';
import type { Model } from './support.ts';
import { openModel } from './support.ts';

const RANK = 2;
const PREFIX = 3;
const SLOTS = 3; // slot 0 is none
const ENCODER = 'encoder.block.1.layer.0.SelfAttention.v';
const CROSS = 'decoder.block.0.layer.1.EncDecAttention.k';
const DECODER = 'decoder.block.2.layer.2.DenseReluDense.wo';
const SITE = 'decoder.block.1.self';

const engine = Engine.open({ device: 'cpu' });
const inputs = [[5, 9, 33, 1], [12, 1], [20, 21, 22, 23, 24, 1], [5, 9, 33, 1], [40, 3, 1]].map((row) => Int32Array.from(row));
const slots = Int32Array.of(1, 0, 2, 2, 1);

let plain: Model;
let adapted: Model;
const buffers: DeviceBuffer[] = [];

/** Values in a fixed irregular order, of size about `scale`. */
const wave = (n: number, scale: number, shift: number) => Float32Array.from({ length: n }, (_, i) => scale * Math.sin(1.7 * i + shift + ((i * i) % 11)));

async function filled(values: Float32Array | Int32Array): Promise<DeviceBuffer> {
  const buffer = engine.buffer(values instanceof Int32Array ? 'i32' : 'f32', values.length);
  buffers.push(buffer);
  await engine.write(buffer, values);
  return buffer;
}

/** A bank with low-rank terms at one linear of each stack and site, and a prefix at one attention site. */
async function bank({ config }: Model): Promise<Adaptation> {
  const inner = innerWidth(config);
  const shapes = { [ENCODER]: [config.dModel, inner], [CROSS]: [config.dModel, inner], [DECODER]: [config.dFf, config.dModel] };
  const pages = SLOTS - 1;
  const table = await filled(Int32Array.of(-1, 0, 1));
  const scale = await filled(Float32Array.of(0, 1, 1));
  const lowRank = new Map<string, { a: DeviceBuffer; b: DeviceBuffer; shape: number[] }>();
  for (const [i, [path, shape]] of Object.entries(shapes).entries()) {
    lowRank.set(path, { a: await filled(wave(pages * RANK * shape[0], 0.5, i)), b: await filled(wave(pages * RANK * shape[1], 0.5, i + 9)), shape });
  }
  const k = await filled(wave(pages * PREFIX * inner, 1, 3));
  const v = await filled(wave(pages * PREFIX * inner, 1, 4));
  const length = await filled(Int32Array.of(0, PREFIX, PREFIX - 1));
  return {
    key: () => 'bank',
    states: (g) => ({
      pageRank: RANK,
      lowRank: (path) => {
        const term = lowRank.get(path);
        return term && {
          a: g.buffer(term.a, [pages * RANK, term.shape[0]]), b: g.buffer(term.b, [pages * RANK, term.shape[1]]),
          table: g.buffer(table, [SLOTS, 1]), scale: g.buffer(scale, [SLOTS]),
        };
      },
      prefix: (site) => site === SITE ? {
        k: g.buffer(k, [pages * PREFIX, inner]), v: g.buffer(v, [pages * PREFIX, inner]), table: g.buffer(table, [SLOTS, 1]),
        length: g.buffer(length, [SLOTS]), pageLength: PREFIX,
      } : undefined,
    }),
  };
}

beforeAll(async () => {
  plain = await openModel(engine, 't5-v1.1');
  adapted = await openModel(engine, 't5-v1.1', 'f32', await bank(plain));
});
afterAll(async () => {
  await adapted[Symbol.asyncDispose]();
  await plain[Symbol.asyncDispose]();
  for (const buffer of buffers) buffer.dispose();
  await engine.dispose();
});

const lists = (rows: readonly Int32Array[]) => rows.map((row) => [...row]);
const OPTIONS: [string, GenerateCall][] = [
  ['greedy', { maxNewTokens: 12 }],
  ['beams', { maxNewTokens: 12, numBeams: 3, numReturnSequences: 2 }],
  ['samples', { maxNewTokens: 12, doSample: true, numReturnSequences: 2, seed: [1, 2, 3, 4, 5] }],
];

describe.each(OPTIONS)('%s', (_, options) => {
  test('a row alone as in a batch of other slots', async () => {
    const together = await adapted.decoder.generate(inputs, { ...options, slots });
    const n = options.numReturnSequences ?? 1;
    for (const [r, input] of inputs.entries()) {
      const seed = options.seed && [(options.seed as number[])[r]];
      const alone = await adapted.decoder.generate([input], { ...options, seed, slots: slots.slice(r, r + 1) });
      expect(lists(alone.sequences)).toEqual(lists(together.sequences.slice(r * n, (r + 1) * n)));
    }
  });

  test('slot 0 is the model itself', async () => {
    const want = await plain.decoder.generate(inputs, options);
    for (const none of [undefined, new Int32Array(inputs.length)]) {
      const got = await adapted.decoder.generate(inputs, { ...options, slots: none });
      expect(lists(got.sequences)).toEqual(lists(want.sequences));
    }
  });
});

test('slots change the answers', async () => {
  const logits = await Promise.all([0, 1, 2].map((slot) => adapted.decoder.logits([inputs[0]], [Int32Array.of(0, 5)], { slots: Int32Array.of(slot) })));
  const distance = (a: Float32Array, b: Float32Array) => Math.max(...a.map((x, i) => Math.abs(x - b[i])));
  expect(distance(logits[0].values, logits[1].values)).toBeGreaterThan(0.1);
  expect(distance(logits[1].values, logits[2].values)).toBeGreaterThan(0.1);
});

test('steps agree with the full pass under the same slots', async () => {
  const got = await adapted.decoder.generate(inputs, { maxNewTokens: 12, slots });
  const { perToken } = await adapted.decoder.score(inputs, got.sequences.map((row) => [row]), { slots });
  got.logProbs!.forEach((row, r) => row.forEach((p, t) => expect(p).toBeCloseTo(perToken[r][0][t], 3)));
});

test('a slot that does not exist', async () => {
  const error = await adapted.decoder.generate(inputs, { slots: Int32Array.of(0, 0, 3, 0, 0) }).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(HypertuneError);
  expect((error as HypertuneError).code).toBe('FEED_RANGE');
});

test('a structure that changes is compiled anew', async () => {
  const real = await bank(plain);
  let on = false;
  const adaptation: Adaptation = { key: () => String(on), states: (g) => (on ? real.states(g) : undefined) };
  await using model = await openModel(engine, 't5-v1.1', 'f32', adaptation);
  const before = await model.decoder.generate(inputs, { maxNewTokens: 12 });
  on = true;
  const after = await model.decoder.generate(inputs, { maxNewTokens: 12, slots });
  expect(lists(before.sequences)).toEqual(lists((await plain.decoder.generate(inputs, { maxNewTokens: 12 })).sequences));
  expect(lists(after.sequences)).toEqual(lists((await adapted.decoder.generate(inputs, { maxNewTokens: 12, slots })).sequences));
});
