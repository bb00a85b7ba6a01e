import type { DeviceBuffer, DType } from '../../lib/engine/engine.ts';
import { HypertuneError } from '../../lib/engine/errors.ts';
import type { Graph, Shape, Size, Value, ValueType } from '../../lib/graph/index.ts';
import { OPS, OP_TABLE_VERSION } from '../../lib/graph/ops.gen.ts';
import type { ProgramEngine } from '../../lib/graph/index.ts';
import { expect } from 'vitest';

/** A stand-in for device memory: graphs look at these fields only. */
export function fakeBuffer(dtype: DType, elements: number, options: { frozen?: boolean; name?: string } = {}): DeviceBuffer {
  return { dtype, elements, frozen: options.frozen ?? false, name: options.name ?? '' } as DeviceBuffer;
}

/** 'f32 2*T+1 4' -> type and shape; letters are symbols of capacity 1000. */
export function parseType(g: Graph, text: string): { dtype: ValueType; shape: Shape } {
  const [dtype, ...sizes] = text.split(' ');
  return { dtype: dtype as ValueType, shape: sizes.map((s) => parseSize(g, s)) };
}

function parseSize(g: Graph, text: string): Size {
  const [, coef, symbol, add] = /^(?:(\d+)\*)?([A-Z]\w*)(?:\+(\d+))?$/.exec(text) ?? [];
  return symbol ? g.symbol(symbol, 1000).times(Number(coef ?? 1)).plus(Number(add ?? 0)) : Number(text);
}

/** The error that `f` throws; fails when it throws none or another class. */
export function errorOf(f: () => unknown): HypertuneError {
  try {
    f();
  } catch (error) {
    expect(error).toBeInstanceOf(HypertuneError);
    return error as HypertuneError;
  }
  throw new Error('nothing was thrown');
}

export interface DecodedNode {
  op: string;
  id: number;
  inputs: number[];
  outputs: number[];
  attrs: number[];
}

export interface Decoded {
  symbols: number[];
  values: { kind: number; dtype: number; index: number; dims: number[][] }[];
  nodes: DecodedNode[];
  fetches: number[];
  stop: number;
  keepAll: number;
}

/** Reads a command buffer as native/engine/command_buffer.h describes it. */
export function decode(words: Int32Array): Decoded {
  let at = 0;
  const take = (n: number) => [...words.subarray(at, (at += n))];
  const [magic, version, symbols, values, nodes, fetches, stop, keepAll, total, ...reserved] = take(12);
  expect([magic, version, total, ...reserved]).toEqual([0x48545031, OP_TABLE_VERSION, words.length, 0, 0, 0]);
  const names = Object.values(OPS).map((o) => o.name);
  const result: Decoded = { symbols: take(symbols), values: [], nodes: [], fetches: [], stop, keepAll };
  for (let i = 0; i < values; ++i) {
    const [kind, dtype, rank, index, ...dims] = take(16);
    result.values.push({ kind, dtype, index, dims: [0, 3, 6, 9].slice(0, rank).map((d) => dims.slice(d, d + 3)) });
  }
  for (let i = 0; i < nodes; ++i) {
    const [op, id, inputs, outputs, attrs] = take(5);
    result.nodes.push({ op: names[op], id, inputs: take(inputs), outputs: take(outputs), attrs: take(attrs) });
  }
  result.fetches = take(fetches);
  expect(at).toBe(words.length);
  return result;
}

/** An engine that compiles anything and returns what `run` was called with. */
export function recordingEngine(device = 'cpu') {
  const calls: { words?: Int32Array; buffers?: readonly DeviceBuffer[]; symbols?: number[]; feeds?: readonly unknown[]; options?: unknown; disposed: number } = { disposed: 0 };
  const engine = {
    device,
    compile(words: Int32Array, buffers: readonly DeviceBuffer[]) {
      Object.assign(calls, { words, buffers });
      return { arenaBytes: 64, dispose: () => void ++calls.disposed };
    },
    run(_: unknown, symbols: Int32Array, feeds: readonly unknown[], options: unknown) {
      Object.assign(calls, { symbols: [...symbols], feeds, options });
      const fetches = decode(calls.words!).fetches.map((id) => Float32Array.of(id));
      return Promise.resolve({ fetches, steps: 1 });
    },
  };
  return { engine: engine as unknown as ProgramEngine, calls };
}

export const shapeText = (value: Value) => `${value.dtype} ${value.shape.join(' ')}`;
