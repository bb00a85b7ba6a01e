/** The named tensors of a T5 on an engine. */
import type { DeviceBuffer, DType, Engine } from '../engine/engine.ts';
import { HypertuneError } from '../engine/errors.ts';
import type { FloatType, Graph, Value } from '../graph/index.ts';
import type { T5Config } from './config.ts';
import { expectedTensors } from './tensor-names.ts';

/** Type of a frozen T5's weights: of its matrices, or `int8` for its linears alone (one scale per output channel; CPU only). */
export type WeightType = FloatType | 'int8';

export interface Parameter {
  name: string;
  shape: readonly number[];
  buffer: DeviceBuffer;
  /** f32 [rows]: the scale of each row, where the buffer is i8. */
  scale?: DeviceBuffer;
  /** The parameter that this one is a second form of. */
  copyOf?: string;
}

/** The output projection, where it is not the embedding. */
export const HEAD = 'lm_head.weight';

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
    const parameter: Parameter = { name, shape, buffer: this.engine.buffer(dtype, elements, { frozen, name }) };
    if (dtype === 'i8') parameter.scale = this.engine.buffer('f32', shape[0], { frozen, name: `${name} scale` });
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

  /** The operands of a linear. */
  linear(g: Graph, name: string): { w: Value; wScale?: Value } {
    const { scale, shape } = this.get(name);
    return { w: this.value(g, name), wScale: scale && g.buffer(scale, [shape[0]], `${name} scale`) };
  }

  /** Whether linears are int8: such a model cannot be trained, nor written to a file. */
  get int8(): boolean {
    return this.all().some(({ scale }) => scale);
  }

  all(): Parameter[] {
    return [...this.entries.values()];
  }

  /** Number of values. */
  count(): number {
    return this.all().reduce((n, p) => n + (p.copyOf ? 0 : p.buffer.elements), 0);
  }

  dispose(): void {
    for (const { buffer, scale } of this.entries.values()) {
      buffer.dispose();
      scale?.dispose();
    }
  }
}

/** What a tensor of a stack is kept in: matrices as `dtype`, norm gains and position biases f32. */
export function matrixType<T extends DType>(name: string, shape: readonly number[], dtype: T): T | 'f32' {
  return shape.length === 1 || name.endsWith('relative_attention_bias.weight') ? 'f32' : dtype;
}

/**
 * Buffers of zeros for every tensor of the configuration. Matrices take `dtype`; norm gains, position biases and an embedding
 * that is not also the output head stay f32: a token reads one row of it, and rounding it costs as much accuracy as rounding all
 * the rest. Frozen ones may share memory with other engines and keep packed panels. With `int8` the linears are i8; an embedding that is
 * also the head stays as it is for the lookup, and the head is an i8 copy under a name of its own.
 */
export function allocateT5(engine: Engine, config: T5Config, dtype: FloatType, frozen: boolean, int8 = false): Parameters {
  const parameters = new Parameters(engine);
  for (const [name, shape] of expectedTensors(config)) {
    const exact = name === 'shared.weight' && !config.tieWordEmbeddings;
    parameters.add(name, shape, exact ? 'f32' : matrixType(name, shape, int8 && name !== 'shared.weight' ? 'i8' : dtype), frozen);
  }
  if (int8 && config.tieWordEmbeddings) parameters.add(HEAD, [config.vocabSize, config.dModel], 'i8', frozen).copyOf = 'shared.weight';
  return parameters;
}
