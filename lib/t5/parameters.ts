/** The named tensors of a T5 on an engine. */
import type { DeviceBuffer, DType, Engine } from '../engine/engine.ts';
import { HypertuneError } from '../engine/errors.ts';
import type { Graph, Value } from '../graph/index.ts';
import type { T5Config } from './config.ts';
import { expectedTensors } from './tensor-names.ts';

export type WeightType = 'f32' | 'bf16';

export interface Parameter {
  name: string;
  shape: readonly number[];
  buffer: DeviceBuffer;
}

/** Buffers by Hugging Face name. */
export class Parameters {
  readonly engine: Engine;
  private readonly entries = new Map<string, Parameter>();

  constructor(engine: Engine) {
    this.engine = engine;
  }

  /** Given buffers, e.g. the averages of another set. */
  static of(engine: Engine, parameters: readonly Parameter[]): Parameters {
    const made = new Parameters(engine);
    for (const parameter of parameters) made.entries.set(parameter.name, parameter);
    return made;
  }

  /** Adds a buffer of zeros. */
  add(name: string, shape: readonly number[], dtype: DType, frozen: boolean): Parameter {
    const elements = shape.reduce((n, d) => n * d, 1);
    const parameter = { name, shape, buffer: this.engine.buffer(dtype, elements, { frozen, name }) };
    this.entries.set(name, parameter);
    return parameter;
  }

  get(name: string): Parameter {
    const parameter = this.entries.get(name);
    if (!parameter) throw new HypertuneError('INTERNAL', `there is no parameter ${name}.`, { field: name });
    return parameter;
  }

  has(name: string): boolean {
    return this.entries.has(name);
  }

  value(g: Graph, name: string): Value {
    const { buffer, shape } = this.get(name);
    return g.buffer(buffer, shape, name);
  }

  all(): Parameter[] {
    return [...this.entries.values()];
  }

  /** Number of values. */
  count(): number {
    return this.all().reduce((n, p) => n + p.buffer.elements, 0);
  }

  dispose(): void {
    for (const { buffer } of this.entries.values()) buffer.dispose();
  }
}

/** What a tensor of a stack is kept in: matrices as `dtype`, norm gains and position biases f32. */
export function matrixType(name: string, shape: readonly number[], dtype: WeightType): WeightType {
  return shape.length === 1 || name.endsWith('relative_attention_bias.weight') ? 'f32' : dtype;
}

/**
 * Buffers of zeros for every tensor of the configuration. Matrices take `dtype`; norm gains, position biases and an embedding
 * that is not also the output head stay f32: a token reads one row of it, and rounding it costs as much accuracy as rounding all
 * the rest. Frozen ones may share memory with other engines and keep packed panels.
 */
export function allocateT5(engine: Engine, config: T5Config, dtype: WeightType, frozen: boolean): Parameters {
  const parameters = new Parameters(engine);
  for (const [name, shape] of expectedTensors(config)) {
    const exact = name === 'shared.weight' && !config.tieWordEmbeddings;
    parameters.add(name, shape, exact ? 'f32' : matrixType(name, shape, dtype), frozen);
  }
  return parameters;
}
