/** Runs a case as a program of one node. */
import type { DeviceBuffer, Engine, HostArray } from '../../lib/engine/engine.ts';
import type { Operand, Value } from '../../lib/graph/index.ts';
import { Graph, compile } from '../../lib/graph/index.ts';
import type { Bound, Slot } from './cases.ts';
import { slotName, slotSize } from './cases.ts';

/** Outputs and written operands by name. On the reference device floats are f64. Buffers live until the engine is disposed. */
export async function runCase(engine: Engine, bound: Bound, inputs: readonly Float64Array[]): Promise<Map<string, HostArray>> {
  const graph = new Graph();
  const operands: Record<string, Operand> = {};
  const feeds: Record<string, HostArray> = {};
  const written = new Map<string, DeviceBuffer>();
  for (const [i, slot] of bound.inputs.entries()) {
    const value = slot.present ? await operand(engine, graph, slot, inputs[i], feeds, written) : undefined;
    if (slot.repetition < 0) operands[slot.schema.name] = value;
    else ((operands[slot.schema.name] ??= []) as (Value | undefined)[])[slot.repetition] = value;
  }
  const shapes = Object.fromEntries(bound.outputs.filter((s) => s.present && s.repetition < 0).map((s) => [s.schema.name, s.shape]));
  const node = graph.node(bound.source.op, operands, bound.attrs, { shapes });
  const fetches = Object.fromEntries(bound.outputs.filter((s) => s.present).map((s) => [slotName(s), node.output(s.schema.name, Math.max(s.repetition, 0))]));
  const program = compile(engine, graph, { fetches });
  const result = await program.run({ feeds });
  program.dispose();
  const outputs = new Map(Object.keys(fetches).map((name) => [name, result[name]]));
  for (const [name, buffer] of written) {
    outputs.set(name, await engine.read(buffer));
    buffer.dispose();
  }
  return outputs;
}

/** What the op writes and what is int8 is a buffer, all else a feed. */
async function operand(engine: Engine, graph: Graph, slot: Slot, data: Float64Array, feeds: Record<string, HostArray>, written: Map<string, DeviceBuffer>): Promise<Value> {
  const name = slotName(slot);
  const host = slot.dtype === 'i32' || slot.dtype === 'i8' ? Int32Array.from(data) : Float32Array.from(data);
  if (!slot.schema.writes && slot.dtype !== 'i8') {
    feeds[name] = host;
    return graph.feed(name, slot.dtype, slot.shape);
  }
  const buffer = engine.buffer(slot.dtype, slotSize(slot), { name });
  await engine.write(buffer, host);
  if (slot.schema.writes) written.set(name, buffer);
  return graph.buffer(buffer, slot.shape, name);
}
