/** Which value of a step went wrong first: its batches are run again with every intermediate kept. */
import path from 'node:path';
import type { Engine, HostArray } from '../../engine/engine.ts';
import { HypertuneError } from '../../engine/errors.ts';
import { atomicWriteJson } from '../../files/atomic.ts';
import type { Graph, RunInputs, Value } from '../../graph/index.ts';
import { compile } from '../../graph/index.ts';
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';
import type { BrokenStep } from '../loop.ts';
import { textsOf } from './parts.ts';

export interface BrokenValue {
  /** Op and name of the node, or a trained or frozen parameter that was no number before the step. */
  op: string;
  node: string;
  /** First element that is not finite, and its value. */
  element: number;
  value: string;
}

/** Writes the batches' texts and what was found to broken-step-<n>.json of `folder`; the error to throw names all of it. */
export async function diagnose(engine: Engine, tokenizer: Tokenizer, folder: string, error: HypertuneError, { step, batches }: BrokenStep): Promise<HypertuneError> {
  let found: { part: string; microbatch: number; value: BrokenValue } | undefined;
  for (const { part, microbatch, batch } of batches) {
    const { graph, inputs } = part.objective.inspect(batch, { step, microbatch });
    const value = await firstBroken(engine, graph, inputs);
    if (!value) continue;
    found = { part: part.name, microbatch, value };
    break;
  }
  const file = path.join(folder, `broken-step-${step}.json`);
  await atomicWriteJson(file, { step, error: error.message, first: found ?? null, batches: batches.map(({ part, microbatch, batch }) => ({ part: part.name, microbatch, rows: textsOf(tokenizer, batch) })) });
  const where = found ? `The first value that is no number is that of ${found.value.op} '${found.value.node}' in part ${found.part}, microbatch ${found.microbatch}` : 'Every value of the step is a number when it is run again: the sum over its gradients overflows';
  const message = error.remedy ? error.message.replace(` ${error.remedy}`, '') : error.message;
  return new HypertuneError('NUMERIC', `${message} ${where}. The texts of its batches are in ${file}.`, { field: 'loss', remedy: 'Lower the learning rate, or look for broken data in these texts; the last checkpoint is whole.', cause: error });
}

/** Runs a graph once with all values kept; undefined where all of them are finite. */
export async function firstBroken(engine: Engine, graph: Graph, inputs: RunInputs): Promise<BrokenValue | undefined> {
  const buffers = new Set<Value>();
  const outputs: { op: string; node: string; value: Value }[] = [];
  const read = new Set(graph.nodes.flatMap((node) => [...node.inputs.values()].flat()));
  for (const node of graph.nodes) {
    for (const list of node.inputs.values()) for (const value of list) if (value?.source.kind === 'buffer') buffers.add(value);
    for (const list of node.outputs.values()) for (const value of list) if (value && value.dtype !== 'i32' && read.has(value)) outputs.push({ op: node.op, node: node.name, value });
  }
  for (const { source, name } of buffers) {
    if (source.kind !== 'buffer' || source.buffer.dtype === 'i32' || source.buffer.name.endsWith('.grad')) continue;
    const broken = firstOf(await engine.read(source.buffer));
    if (broken) return { op: 'parameter', node: name, ...broken };
  }
  const program = compile(engine, graph, { fetches: Object.fromEntries(outputs.map(({ value }, i) => [`value ${i}`, value])), keepAll: true });
  try {
    const values: Record<string, HostArray> = await program.run(inputs);
    for (const [i, { op, node }] of outputs.entries()) {
      const broken = firstOf(values[`value ${i}`]);
      if (broken) return { op, node, ...broken };
    }
    return undefined;
  } finally {
    program.dispose();
  }
}

function firstOf(values: HostArray): { element: number; value: string } | undefined {
  const element = (values as Float32Array).findIndex((x) => !Number.isFinite(x));
  return element < 0 ? undefined : { element, value: String(values[element]) };
}
