// The hypermodel's own criteria: no-op start, static = generated, row independence, batching, gradients, frozen base.
import { createHash } from 'node:crypto';
import { cp, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { pack, shiftRight } from '../../lib/data/packing.ts';
import { Random } from '../../lib/data/random.ts';
import { Engine } from '../../lib/engine/engine.ts';
import { Graph, compile } from '../../lib/graph/index.ts';
import { generate, hyperFeeds, hyperInputs } from '../../lib/hyper/hypermodel.ts';
import { HyperT5 } from '../../lib/index.ts';
import { T5Stack } from '../../lib/t5/stack.ts';
import { AdamW } from '../../lib/train/adamw.ts';
import { hyperObjective } from '../../lib/train/objectives.ts';
import type { EpisodeRows } from '../../lib/train/objectives.ts';
import { trainedParameters } from '../../lib/train/parameters.ts';
import { tinyFolder, tinyHyper } from './support.ts';
import type { Tiny } from './support.ts';

const VOCAB = 60;
const CAPACITY = { rows: 8, encoderTokens: 128, decoderTokens: 128, sets: 4, hyperTokens: 256 };
const ids = (rng: Random, n: number) => Int32Array.from({ length: n }, () => 2 + rng.int(VOCAB - 2));

function episodes(seed: number, evidence: readonly number[], setOfRow: readonly number[]): EpisodeRows {
  const rng = Random.stream(seed, 'episodes');
  const hyper = pack(evidence.map((n) => ids(rng, n)));
  const labels = pack(setOfRow.map((_, r) => ids(rng, 1 + (r % 3))));
  return { hyper, setOfRow: Int32Array.from(setOfRow), encoder: pack(setOfRow.map((_, r) => ids(rng, 3 + r))), decoder: shiftRight(labels, 0), labels: labels.ids };
}

/** Logits of a batch, with generated states or (`plain`) without. */
async function logits(engine: Engine, { config, t5, hyper }: Tiny, batch: EpisodeRows, plain = false): Promise<Float32Array> {
  const g = new Graph();
  const [rows, e, d] = [g.symbol('rows', 8), g.symbol('encoderTokens', 128), g.symbol('decoderTokens', 128)];
  const states = plain ? undefined : generate(g, hyper, hyperInputs(g, { sets: 4, tokens: 256 })).states;
  const slots = states && g.feed('slots', 'i32', [rows]);
  const encoderRows = { offsets: g.feed('eo', 'i32', [rows.plus(1)]), slots };
  const stack = new T5Stack(g, config, t5, { states });
  const memory = stack.encode(stack.embed(g.feed('e', 'i32', [e])), encoderRows);
  const hidden = stack.decode(stack.embed(g.feed('d', 'i32', [d])), { offsets: g.feed('do', 'i32', [rows.plus(1)]), slots }, { states: memory, rows: encoderRows });
  const program = compile(engine, g, { fetches: { logits: stack.logits(hidden) } });
  const text = { e: batch.encoder.ids, eo: batch.encoder.offsets, d: batch.decoder.ids, do: batch.decoder.offsets };
  const symbols = { rows: batch.setOfRow.length, encoderTokens: text.e.length, decoderTokens: text.d.length };
  const out = await program.run(
    plain
      ? { symbols, feeds: text }
      : { symbols: { ...symbols, sets: batch.hyper.offsets.length - 1, hyperTokens: batch.hyper.ids.length }, feeds: { ...text, slots: batch.setOfRow, ...hyperFeeds(hyper.config, config, batch.hyper) } },
  );
  return out.logits as Float32Array;
}

const bytes = (x: Float32Array) => Buffer.from(x.buffer, x.byteOffset, x.byteLength);
const largest = (a: ArrayLike<number>, b: ArrayLike<number>) => Math.max(...Array.from(a, (x, i) => Math.abs(x - b[i])));
/** Logits of one row. */
const rowOf = (x: Float32Array, batch: EpisodeRows, r: number) => x.slice(batch.decoder.offsets[r] * VOCAB, batch.decoder.offsets[r + 1] * VOCAB);

async function withEngine<T>(run: (engine: Engine) => Promise<T>, device: 'cpu' | 'reference' = 'cpu'): Promise<T> {
  const engine = Engine.open({ device });
  try {
    return await run(engine);
  } finally {
    await engine.dispose();
  }
}

describe('no-op start', () => {
  test('an untrained LoRA hypermodel leaves the logits bit for bit', () =>
    withEngine(async (engine) => {
      const tiny = await tinyHyper(engine, 'lora', { moved: false, vocabSize: VOCAB });
      const batch = episodes(1, [9, 14], [0, 1, 0]);
      expect(bytes(await logits(engine, tiny, batch)).equals(bytes(await logits(engine, tiny, batch, true)))).toBe(true);
    }));

  test('a prefix whose logit bias is hugely negative leaves them too, one with bias 0 does not', () =>
    withEngine(async (engine) => {
      const tiny = await tinyHyper(engine, 'prefix', { vocabSize: VOCAB, change: { prefixLogitBias: true, prefixCross: true } });
      const batch = episodes(2, [7, 11], [0, 1]);
      const plain = await logits(engine, tiny, batch, true);
      const setBias = async (value: number) => {
        for (const { name, buffer } of tiny.hyper.parameters.all()) if (name.endsWith('.logit_bias')) await engine.write(buffer, new Float32Array(buffer.elements).fill(value));
      };
      await setBias(-1e30);
      expect(bytes(await logits(engine, tiny, batch)).equals(bytes(plain))).toBe(true);
      await setBias(0);
      expect(largest(await logits(engine, tiny, batch), plain)).toBeGreaterThan(1e-2);
    }));
});

describe.each(['lora', 'prefix'] as const)('%s', (kind) => {
  const example = (n: number) => Array.from({ length: n }, (_, i) => ({ input: `word${i} tree`, output: `tree word${i}` }));

  test('static = generated: saved, loaded and (LoRA) merged adapters answer alike', async () => {
    const folder = await tinyFolder([kind]);
    const model = await HyperT5.load(folder);
    const generated = await model.adapt(example(4), { kind });
    const dir = path.join(await mkdtemp(path.join(tmpdir(), 'adapter-')), 'a');
    expect(await generated.save(dir)).toBe(kind === 'lora' ? 'peft' : 'hypertune');
    const loaded = await model.loadAdapter(dir);
    const queries = ['a tree', 'the sun is low'];
    const candidates = [['one', 'two words'], ['red', 'blue house']];
    const values = async (m: HyperT5, adapter?: typeof generated) => (await m.score(queries, candidates, { adapter })).flatMap((r) => r.logLikelihoods);
    const expected = await values(model, generated);
    expect(largest(await values(model, loaded), expected)).toBeLessThan(1e-6);
    expect(largest(await values(model), expected)).toBeGreaterThan(1e-3);
    if (kind === 'lora') {
      const merged = path.join(path.dirname(dir), 'merged');
      await model.merge(generated, merged);
      await cp(path.join(folder, 'hyper-lora'), path.join(merged, 'hyper-lora'), { recursive: true });
      const plain = await HyperT5.load(merged);
      expect(largest(await values(plain), expected)).toBeLessThan(1e-4);
      await plain.dispose();
    } else await expect(model.merge(generated, dir)).rejects.toMatchObject({ code: 'ADAPTER_MISMATCH' });
    await model.dispose();
  });

  test('rows are independent: other evidence for set 0 changes only the rows of set 0', () =>
    withEngine(async (engine) => {
      const tiny = await tinyHyper(engine, kind, { vocabSize: VOCAB });
      const batch = episodes(3, [9, 14, 6], [0, 1, 2, 0, 1]);
      const before = await logits(engine, tiny, batch);
      const changed = { ...batch, hyper: { ...batch.hyper, ids: batch.hyper.ids.map((id, i) => (i < 9 ? 2 + ((id + 7) % (VOCAB - 2)) : id)) } };
      const after = await logits(engine, tiny, changed);
      batch.setOfRow.forEach((set, r) => {
        const same = bytes(rowOf(before, batch, r)).equals(bytes(rowOf(after, batch, r)));
        expect(same, `row ${r} of set ${set}`).toBe(set !== 0);
      });
    }));

  test('a row alone has the logits it has among longer rows', () =>
    withEngine(async (engine) => {
      const tiny = await tinyHyper(engine, kind, { vocabSize: VOCAB });
      const batch = episodes(4, [5, 40, 17], [0, 1, 2]);
      const together = await logits(engine, tiny, batch);
      for (let r = 0; r < 3; r++) {
        const slice = (p: { ids: Int32Array; offsets: Int32Array }) => pack([p.ids.slice(p.offsets[r], p.offsets[r + 1])]);
        const alone: EpisodeRows = { hyper: slice(batch.hyper), setOfRow: Int32Array.of(0), encoder: slice(batch.encoder), decoder: slice(batch.decoder), labels: batch.labels.slice(batch.decoder.offsets[r], batch.decoder.offsets[r + 1]) };
        // Another number of rows may take another tile, hence another order of sums.
        expect(largest(await logits(engine, tiny, alone), rowOf(together, batch, r))).toBeLessThan(1e-4);
      }
    }));

  test('gradients of heads, queries and trunk agree with finite differences in fp64', () =>
    withEngine(async (engine) => {
      const { config, t5, hyper } = await tinyHyper(engine, kind, { vocabSize: VOCAB });
      const optimizer = new AdamW(engine, trainedParameters(hyper.parameters.all(), config));
      const objective = hyperObjective(engine, config, t5, hyper, optimizer, CAPACITY);
      const batch = episodes(5, [8, 12], [0, 1, 1]);
      await objective.accumulate(batch);
      const rng = Random.stream(5, 'entries');
      const group = kind === 'lora' ? 'heads.decoder.cross' : 'heads.encoder.self.k';
      const head = kind === 'lora' ? 'q_b' : '1';
      for (const name of [`${group}.w1`, `${group}.${head}.w2`, 'queries', 'encoder.block.1.layer.0.SelfAttention.v.weight']) {
        const { grad, parameter } = optimizer.slots.find((s) => s.parameter.name === name)!;
        const analytic = await engine.read(grad);
        const scale = Math.max(...Array.from(analytic, Math.abs));
        expect(scale, name).toBeGreaterThan(0);
        for (let i = 0; i < 20; i++) {
          const at = rng.int(parameter.buffer.elements);
          const [old] = await engine.read(parameter.buffer, at, 1);
          const h = 1e-5;
          const lossAt = async (x: number) => {
            await engine.write(parameter.buffer, Float64Array.of(x), at);
            return (await objective.evaluate(batch)).loss;
          };
          const numeric = ((await lossAt(old + h)) - (await lossAt(old - h))) / (2 * h);
          await engine.write(parameter.buffer, Float64Array.of(old), at);
          expect(Math.abs(numeric - analytic[at]) / scale, `${name}[${at}]`).toBeLessThan(1e-5);
        }
      }
    }, 'reference'));

  test('100 steps of hypertuning leave the T5 as it was, and lower the loss', () =>
    withEngine(async (engine) => {
      const { config, t5, hyper } = await tinyHyper(engine, kind, { vocabSize: VOCAB });
      const hash = async () => {
        const sum = createHash('sha256');
        for (const { buffer } of t5.all()) sum.update(bytes((await engine.read(buffer)) as Float32Array));
        return sum.digest('hex');
      };
      const before = await hash();
      const optimizer = new AdamW(engine, trainedParameters(hyper.parameters.all(), config));
      const objective = hyperObjective(engine, config, t5, hyper, optimizer, CAPACITY);
      const batch = episodes(6, [8, 12], [0, 1, 1]);
      const losses: number[] = [];
      for (let step = 0; step < 100; step++) {
        const { loss, tokens } = await objective.accumulate(batch);
        losses.push(loss / tokens);
        await optimizer.update(3e-3, tokens);
      }
      expect(await hash()).toBe(before);
      expect(losses[99]).toBeLessThan(0.7 * losses[0]);
    }));
});
