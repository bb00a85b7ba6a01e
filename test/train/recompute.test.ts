// Gradient checkpointing: the same bits from less memory.
import { afterAll, describe, expect, test } from 'vitest';
import { Random } from '../../lib/data/random.ts';
import { Engine } from '../../lib/engine/engine.ts';
import type { HostArray } from '../../lib/engine/engine.ts';
import { Graph, add, assign, compile, crossEntropy, dropout, gradients, mul, scale, sum } from '../../lib/graph/index.ts';
import type { Value } from '../../lib/graph/index.ts';
import { initializeT5 } from '../../lib/train/init.ts';
import { parseT5Config } from '../../lib/t5/config.ts';
import type { T5Config } from '../../lib/t5/config.ts';
import { allocateT5 } from '../../lib/t5/parameters.ts';
import { T5Stack, T5_BLOCKS } from '../../lib/t5/stack.ts';

const engine = Engine.open({ device: 'cpu' });
afterAll(() => engine.dispose());

const config = (layers: number, sizes: { d: number; kv: number; ff: number; heads: number; vocab: number }, gated = true): T5Config =>
  parseT5Config({
    model_type: 't5', vocab_size: sizes.vocab, d_model: sizes.d, d_kv: sizes.kv, d_ff: sizes.ff, num_heads: sizes.heads, num_layers: layers, num_decoder_layers: layers,
    feed_forward_proj: gated ? 'gated-gelu' : 'relu', tie_word_embeddings: true, decoder_start_token_id: 0, pad_token_id: 0, eos_token_id: 1, dropout_rate: 0.1,
  });

const bytes = (values: HostArray) => Buffer.from(values.buffer, values.byteOffset, values.byteLength);

/** Sum of -log p and the gradients of every parameter, with dropout; tokens per side at capacity. */
function trainingGraph(c: T5Config, parameters: ReturnType<typeof allocateT5>, capacity: number, recompute?: RegExp) {
  const g = new Graph();
  const rows = { offsets: g.feed('offsets', 'i32', [3]) };
  const tokens = g.symbol('tokens', capacity);
  const stack = new T5Stack(g, c, parameters, { dropout: { key: g.feed('key', 'i32', [4]), rate: g.feed('rate', 'f32', [1]) } });
  const memory = stack.encode(stack.embed(g.feed('ids', 'i32', [tokens])), rows);
  const hidden = stack.decode(stack.embed(g.feed('answer', 'i32', [tokens])), rows, { states: memory, rows });
  const { logp } = crossEntropy(g, { x: hidden, ...stack.head(), labels: g.feed('labels', 'i32', [tokens]), scale: stack.headScale });
  const loss = scale(g, { x: sum(g, { x: logp }), alpha: -1 });
  const wrt = parameters.all().map(({ buffer, shape, name }) => g.buffer(buffer, shape, name));
  return { g, loss, grads: gradients(g, [{ value: loss }], wrt, { recompute }) };
}

describe.each([true, false])('a T5 with dropout, gated: %s', (gated) => {
  test('gives the same loss and gradients bit for bit', async () => {
    const c = config(3, { d: 24, kv: 6, ff: 40, heads: 3, vocab: 50 }, gated);
    const parameters = allocateT5(engine, c, 'f32', false);
    await initializeT5(parameters, c, Random.stream(1, 't5'));
    const ids = (seed: number) => Int32Array.from({ length: 9 }, (_, i) => (i * seed) % 50);
    const run = async (recompute?: RegExp, rate = 0.2) => {
      const { g, loss, grads } = trainingGraph(c, parameters, 16, recompute);
      const names = parameters.all().map(({ name }) => name);
      const program = compile(engine, g, { fetches: { loss, ...Object.fromEntries(grads.map((grad, i) => [names[i], grad!])) } as Record<string, Value> });
      const feeds = { offsets: Int32Array.of(0, 4, 9), ids: ids(7), answer: ids(11), labels: ids(13), key: Int32Array.of(1, 2, 3, 4), rate: Float32Array.of(rate) };
      const result = await program.run({ symbols: { tokens: 9 }, feeds });
      program.dispose();
      return { result: Object.fromEntries(['loss', ...names].map((name) => [name, result[name]])), nodes: program.nodes.length };
    };
    const [kept, again, undropped] = [await run(), await run(T5_BLOCKS), await run(undefined, 0)];
    expect(again.nodes).toBeGreaterThan(kept.nodes + 3 * 10);
    for (const [name, values] of Object.entries(kept.result)) expect(bytes(again.result[name]).equals(bytes(values)), name).toBe(true);
    expect(undropped.result['loss'][0]).not.toBe(kept.result['loss'][0]);
    parameters.dispose();
  });
});

test('a stack of the size of T5 small, 6 + 6 blocks, needs a fraction of the memory', () => {
  const c = config(6, { d: 512, kv: 64, ff: 1024, heads: 6, vocab: 512 });
  const parameters = allocateT5(engine, c, 'f32', false);
  const arena = (recompute?: RegExp) => {
    const { g, loss, grads } = trainingGraph(c, parameters, 2048, recompute);
    // As in training: each gradient is consumed where it is made.
    parameters.all().forEach(({ buffer, shape }, i) => assign(g, { buffer: g.buffer(buffer, shape), x: grads[i]! }));
    const program = compile(engine, g, { fetches: { loss } });
    program.dispose();
    return program.arenaBytes;
  };
  const [kept, again] = [arena(), arena(T5_BLOCKS)];
  // 227 of 794 MiB: one value or two of every block boundary, and one block at a time.
  expect(again).toBeLessThan(0.35 * kept);
  parameters.dispose();
});

describe('segments', () => {
  const names = (g: Graph) => g.nodes.map(({ name }) => name);

  /** y = a (a b) in a scope, z = sum of dropout(y) outside. */
  function example(inside: (g: Graph, x: Value) => Value = (_, x) => x) {
    const g = new Graph();
    const a = g.feed('a', 'f32', [4]);
    const b = g.feed('b', 'f32', [4]);
    const y = g.scope('block.0', () => mul(g, { a, b: inside(g, mul(g, { a, b })) }));
    const z = sum(g, { x: dropout(g, { x: y, key: g.feed('key', 'i32', [4]), rate: g.feed('rate', 'f32', [1]) }) });
    return { g, a, b, z };
  }

  test('only what a gradient reads is computed again', () => {
    const { g, a, b, z } = example();
    const [da, db] = gradients(g, [{ value: z }], [a, b], { recompute: /block\.\d+/ });
    expect(names(g).filter((name) => name.startsWith('grad.block.0.mul')).length).toBeGreaterThan(2);
    const program = compile(engine, g, { fetches: { da: da!, db: db! } });
    // y itself is read by nobody; a b is.
    expect(program.nodes.filter(({ op, name }) => op === 'mul' && name === 'grad.block.0.mul')).toHaveLength(1);
    program.dispose();
  });

  test('a scope that no name matches changes nothing', () => {
    const plain = example();
    gradients(plain.g, [{ value: plain.z }], [plain.a]);
    const other = example();
    gradients(other.g, [{ value: other.z }], [other.a], { recompute: /^elsewhere/ });
    expect(names(other.g)).toEqual(names(plain.g));
  });

  test('what the forward pass writes is not read again', async () => {
    const state = engine.buffer('f32', 4, { name: 'state' });
    await engine.write(state, Float32Array.of(1, 2, 3, 4));
    const { g, b, z } = example((graph, x) => {
      const before = scale(graph, { x: graph.buffer(state, [4]), alpha: 2 });
      return add(graph, { a: x, b: before });
    });
    g.scope('block.0', () => assign(g, { buffer: g.buffer(state, [4]), x: g.feed('later', 'f32', [4]) }));
    const [db] = gradients(g, [{ value: z }], [b], { recompute: /block\.\d+/ });
    const program = compile(engine, g, { fetches: { z, db: db! } });
    expect(program.nodes.filter(({ op }) => op === 'assign')).toHaveLength(1);
    expect(program.nodes.filter(({ op }) => op === 'scale')).toHaveLength(1);
    const ones = new Float32Array(4).fill(1);
    const result = await program.run({ feeds: { a: ones, b: ones, key: new Int32Array(4), rate: new Float32Array(1), later: new Float32Array(4) } });
    expect([...result.z]).toEqual([24]);
    expect([...result.db]).toEqual([1, 1, 1, 1]);
    program.dispose();
  });
});
