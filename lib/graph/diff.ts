/** Runs one graph on two devices and finds the first node at which they part. */
import type { DeviceName, HostArray } from '../engine/engine.ts';
import { Engine } from '../engine/engine.ts';
import { HypertuneError } from '../engine/errors.ts';
import type { Graph } from './graph.ts';
import type { Node, Value, ValueType } from './node.ts';
import { OPS } from './ops.gen.ts';
import type { RunInputs } from './program.ts';
import { compile } from './program.ts';

/** Largest |a - b| allowed, relative to the largest |b| of the tensor. */
export type Tolerances = Readonly<Record<ValueType, number>>;

/** f32: sums over thousands of terms, each rounded at 2^-24, through some layers. bf16: a few roundings at 2^-9. */
export const DEFAULT_TOLERANCES: Tolerances = { f32: 1e-4, bf16: 2e-2, i32: 0, i8: 0 };

export interface Difference {
  node: Node;
  /** The output, or the operand that the node writes. */
  operand: string;
  dtype: ValueType;
  /** Infinity where one device has a NaN or an infinity that the other has not. */
  error: number;
  /** Element with the largest difference. */
  element: number;
  a: number;
  b: number;
}

/**
 * `build` makes the same graph for each engine and fills the buffers with the same content. Every node's outputs are
 * compared after one run, and every written buffer, which counts as its last writer's. Undefined: no difference.
 * A device given by name is opened and disposed here. Throws GRAPH_INVALID when the two graphs differ.
 */
export async function diff(
  build: (engine: Engine) => Graph | Promise<Graph>,
  inputs: RunInputs,
  deviceA: DeviceName | Engine,
  deviceB: DeviceName | Engine,
  tolerances: Tolerances = DEFAULT_TOLERANCES,
): Promise<Difference | undefined> {
  const a = await observe(build, inputs, deviceA);
  const b = await observe(build, inputs, deviceB);
  const order = (list: Observation[]) => list.map((o) => `${o.node.op} ${o.operand} ${o.dtype}`).join('\n');
  if (order(a) !== order(b)) throw new HypertuneError('GRAPH_INVALID', 'build made different graphs for the two devices.', { field: 'build' });
  for (let i = 0; i < a.length; ++i) {
    const { node, operand, dtype } = a[i];
    const found = largestDifference(a[i].data, b[i].data);
    if (found && found.error > tolerances[dtype]) return { node, operand, dtype, ...found };
  }
  return undefined;
}

interface Observation {
  node: Node;
  operand: string;
  dtype: ValueType;
  data: HostArray;
}

async function observe(build: (engine: Engine) => Graph | Promise<Graph>, inputs: RunInputs, device: DeviceName | Engine): Promise<Observation[]> {
  const engine = typeof device === 'string' ? Engine.open({ device }) : device;
  try {
    const graph = await build(engine);
    const outputs = observable(graph);
    const fetches: Record<string, Value> = Object.fromEntries(outputs.map(({ value }, i) => [`value ${i}`, value]));
    const program = compile(engine, graph, { fetches, keepAll: true });
    try {
      const result = await program.run(inputs);
      const seen = outputs.map(({ node, operand, value }, i) => ({ node, operand, dtype: value.dtype, data: result[`value ${i}`] }));
      for (const [value, { node, operand }] of writers(graph)) if (value.source.kind === 'buffer') seen.push({ node, operand, dtype: value.dtype, data: await engine.read(value.source.buffer) });
      return seen.sort((x, y) => x.node.id - y.node.id);
    } finally {
      program.dispose();
    }
  } finally {
    if (typeof device === 'string') await engine.dispose();
  }
}

/** Outputs of all nodes, without optional ones that nobody reads. */
function observable(graph: Graph): { node: Node; operand: string; value: Value }[] {
  const read = new Set(graph.nodes.flatMap((node) => [...node.inputs.values()].flat()));
  const found = [];
  for (const node of graph.nodes)
    for (const [operand, list] of node.outputs) for (const value of list) if (value && (read.has(value) || !node.droppable.has(operand))) found.push({ node, operand, value });
  return found;
}

/** The last writer of each buffer. */
function writers(graph: Graph): Map<Value, { node: Node; operand: string }> {
  const last = new Map<Value, { node: Node; operand: string }>();
  for (const node of graph.nodes)
    for (const { name, writes } of OPS[node.op].inputs) {
      const value = writes ? node.input(name) : undefined;
      if (value) last.set(value, { node, operand: name });
    }
  return last;
}

function largestDifference(a: HostArray, b: HostArray): { error: number; element: number; a: number; b: number } | undefined {
  let scale = 0;
  for (const x of b) if (Number.isFinite(x)) scale = Math.max(scale, Math.abs(x));
  let worst: { error: number; element: number; a: number; b: number } | undefined;
  for (let i = 0; i < b.length; ++i) {
    if (Object.is(a[i], b[i]) || a[i] === b[i]) continue;
    const distance = Math.abs(a[i] - b[i]);
    const error = Number.isFinite(distance) ? distance / Math.max(scale, Number.MIN_VALUE) : Infinity;
    if (!worst || error > worst.error) worst = { error, element: i, a: a[i], b: b[i] };
  }
  return worst;
}
