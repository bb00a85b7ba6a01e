import type { DeviceBuffer } from '../engine/engine.ts';
import type { Shape } from './dims.ts';
import { formatShape } from './dims.ts';
import type { OpName } from './ops.gen.ts';

/** Types a graph declares; i8 are quantised weights, in buffers only. On the reference device the engine holds both float types as f64. */
export type ValueType = FloatType | 'i32' | 'i8';
export type FloatType = 'f32' | 'bf16';

/** Where a value comes from: a persistent buffer, what the caller gives to every run, or an output of a node. */
export type Source =
  | { readonly kind: 'buffer'; readonly buffer: DeviceBuffer }
  | { readonly kind: 'feed' }
  | { readonly kind: 'computed'; readonly node: Node; readonly output: string; readonly repetition: number };

/** A tensor of the graph: row-major, contiguous, never changed by an op unless it is a persistent buffer. */
export class Value {
  readonly id: number;
  readonly dtype: ValueType;
  readonly shape: Shape;
  readonly name: string;
  readonly source: Source;
  /** The graph it belongs to; compared only. */
  readonly graph: object;

  constructor(graph: object, id: number, dtype: ValueType, shape: Shape, name: string, source: Source) {
    this.graph = graph;
    this.id = id;
    this.dtype = dtype;
    this.shape = shape;
    this.name = name;
    this.source = source;
  }

  /** The node that computes it; undefined for buffers and feeds. */
  get producer(): Node | undefined {
    return this.source.kind === 'computed' ? this.source.node : undefined;
  }

  toString(): string {
    return `${this.name} ${this.dtype} ${formatShape(this.shape)}`;
  }
}

export type Operand = Value | undefined | readonly (Value | undefined)[];
export type Attr = number | FloatType;
/** Every operand as a list: one entry for single operands, n for repeated ones; undefined where absent. */
export type OperandLists = ReadonlyMap<string, readonly (Value | undefined)[]>;

/** One application of an op. Its `id` is stable: it depends on the order of building only. */
export class Node {
  readonly op: OpName;
  readonly id: number;
  readonly name: string;
  readonly inputs: OperandLists;
  readonly attrs: Readonly<Record<string, Attr>>;
  /** Optional outputs are there whenever their shape is known. */
  readonly outputs: Map<string, readonly (Value | undefined)[]> = new Map();
  /** Optional outputs whose shape follows from the operands: a program leaves them out when nobody reads them. */
  readonly droppable: Set<string> = new Set();

  constructor(op: OpName, id: number, name: string, inputs: OperandLists, attrs: Readonly<Record<string, Attr>>) {
    this.op = op;
    this.id = id;
    this.name = name;
    this.inputs = inputs;
    this.attrs = attrs;
  }

  input(operand: string, repetition = 0): Value | undefined {
    return this.inputs.get(operand)?.[repetition];
  }

  /** An operand that the op table does not mark optional. */
  required(operand: string, repetition = 0): Value {
    return this.input(operand, repetition)!;
  }

  /** How often the repeated operands occur. */
  repetitions(operand: string): number {
    return this.inputs.get(operand)?.length ?? 0;
  }

  output(name: string, repetition = 0): Value {
    return this.outputs.get(name)![repetition]!;
  }

  optionalOutput(name: string, repetition = 0): Value | undefined {
    return this.outputs.get(name)?.[repetition];
  }

  all(name: string): Value[] {
    return [...this.outputs.get(name)!] as Value[];
  }
}
