/**
 * Checks one node against the op table and finds the shapes and types of its outputs (notation: native/core/ops.json).
 * Dimension names bind on first sight; the native side repeats these checks on the words, without names to report.
 */
import { HypertuneError } from '../engine/errors.ts';
import type { Shape, Size } from './dims.ts';
import { affine, formatShape, sameCount, sameShape, sameSize, solveAffine } from './dims.ts';
import type { Attr, OperandLists, Value, ValueType } from './node.ts';
import type { DimPattern, OpSchema, OperandSchema } from './schema.ts';

export interface OutputType {
  dtype: ValueType;
  shape: Shape;
}

export const MAX_RANK = 4;

/** What the table's words for several types allow. */
const TYPES: Readonly<Record<string, readonly ValueType[]>> = { float: ['f32', 'bf16'], 'float|i8': ['f32', 'bf16', 'i8'], any: ['f32', 'bf16', 'i32', 'i8'] };

/** Refuses what the table does not allow, at 'operand x[0]' or 'attribute n'. */
export type Refuse = (place: string, message: string) => never;

export function refuseAt(op: string, name: string): Refuse {
  return (place, message) => {
    throw new HypertuneError('GRAPH_INVALID', `${op} '${name}', ${place}: ${message}`, { field: place });
  };
}

export class NodeShapes {
  private readonly schema: OpSchema;
  private readonly inputs: OperandLists;
  private readonly attrs: Readonly<Record<string, Attr>>;
  private readonly refuse: Refuse;
  private readonly bound = new Map<string, Size>();

  constructor(schema: OpSchema, inputs: OperandLists, attrs: Readonly<Record<string, Attr>>, refuse: Refuse) {
    this.schema = schema;
    this.inputs = inputs;
    this.attrs = attrs;
    this.refuse = refuse;
    for (const a of schema.attrs) if (a.type === 'int') this.bound.set(a.name, attrs[a.name] as number);
  }

  checkInputs(): void {
    for (const operand of this.schema.inputs) {
      this.inputs.get(operand.name)!.forEach((value, repetition) => {
        if (value) this.checkInput(operand, value, repetition);
        else if (!operand.optional) this.refuse(label(operand, repetition), 'is missing.');
      });
    }
    this.checkRules();
  }

  /**
   * Type and shape of an output. Names that no input binds come from `given`; undefined for an optional output
   * whose shape stays unknown.
   */
  output(operand: OperandSchema, repetition: number, given: Shape | undefined): OutputType | undefined {
    const at = label(operand, repetition);
    const { shape } = operand;
    if (given) checkSizes(given, (message) => this.refuse(at, message));
    let result: Shape;
    if (shape.kind === 'free') {
      if (!given) this.refuse(at, 'its shape must be given.');
      if (this.schema.name === 'reshape' && !sameCount(given, this.inputs.get('x')![0]!.shape))
        this.refuse(at, `${formatShape(given)} has another number of elements than x ${formatShape(this.inputs.get('x')![0]!.shape)}.`);
      result = given;
    } else if (shape.kind === 'same') {
      result = this.inputs.get(shape.like!)![0]!.shape;
      if (given && !sameShape(given, result)) this.refuse(at, `${formatShape(given)} differs in shape from ${shape.like} ${formatShape(result)}.`);
    } else {
      if (given) this.unify(at, shape.dims, given, repetition);
      const unknown = shape.dims.find((d) => d.name && !this.bound.has(key(d.name, repetition)));
      if (unknown && operand.optional) return undefined;
      if (unknown) this.refuse(at, `its dimension ${unknown.name} follows from no operand; give its shape.`);
      result = shape.dims.map((d) => this.evaluate(d, repetition)!);
    }
    return { dtype: this.outputType(operand, repetition), shape: result };
  }

  /** Whether inputs and attributes alone fix the shape: such an optional output may be dropped. */
  determined(operand: OperandSchema, repetition: number): boolean {
    return operand.shape.dims.every((d) => !d.name || this.bound.has(key(d.name, repetition)));
  }

  private outputType(operand: OperandSchema, repetition: number): ValueType {
    if (operand.dtype === '@dtype') return this.attrs['dtype'] as ValueType;
    if (operand.dtype.startsWith('=')) return this.input(operand.dtype.slice(1), repetition)!.dtype;
    return operand.dtype as ValueType;
  }

  private input(name: string, repetition: number): Value | undefined {
    const list = this.inputs.get(name);
    return list && (list.length === 1 ? list[0] : list[repetition]);
  }

  private operand(name: string): OperandSchema {
    return this.schema.inputs.find((o) => o.name === name)!;
  }

  private checkInput(operand: OperandSchema, value: Value, repetition: number): void {
    const at = label(operand, repetition);
    const like = operand.dtype.startsWith('=') ? this.input(operand.dtype.slice(1), repetition)?.dtype : undefined;
    const types = like ? [like] : (TYPES[operand.dtype] ?? [operand.dtype]);
    if (!types.includes(value.dtype)) this.refuse(at, `${value.name} is ${value.dtype}, not ${types.join(' or ')}.`);
    if (operand.shape.kind === 'same') {
      const other = this.input(operand.shape.like!, repetition)!;
      if (!sameShape(value.shape, other.shape))
        this.refuse(at, `${value.name} ${formatShape(value.shape)} differs in shape from ${operand.shape.like} ${formatShape(other.shape)}.`);
    } else if (operand.shape.kind === 'dims') this.unify(at, operand.shape.dims, value.shape, repetition);
  }

  private unify(at: string, patterns: readonly DimPattern[], shape: Shape, repetition: number): void {
    if (shape.length !== patterns.length) this.refuse(at, `${formatShape(shape)} has ${shape.length} dimensions, not ${patterns.length}.`);
    patterns.forEach((pattern, axis) => {
      const expected = this.evaluate(pattern, repetition);
      if (expected !== undefined) {
        if (!sameSize(expected, shape[axis]))
          this.refuse(at, `dimension ${axis} of ${formatShape(shape)} must be ${expected}${pattern.name ? ` (${formatPattern(pattern)})` : ''}.`);
        return;
      }
      const solved = solveAffine(shape[axis], this.factor(pattern), pattern.add);
      if (solved === undefined) this.refuse(at, `dimension ${axis} of ${formatShape(shape)} is not ${formatPattern(pattern)}.`);
      this.bound.set(key(pattern.name, repetition), solved);
    });
  }

  private factor(pattern: DimPattern): number {
    return (this.attrs[pattern.mul] as number | undefined) ?? Number(pattern.mul);
  }

  private evaluate(pattern: DimPattern, repetition: number): Size | undefined {
    if (!pattern.name) return pattern.add;
    const bound = this.bound.get(key(pattern.name, repetition));
    return bound === undefined ? undefined : affine(bound, this.factor(pattern), pattern.add);
  }

  private checkRules(): void {
    for (const rule of this.schema.rules) {
      const list = this.inputs.get(rule.operand)!;
      if (rule.kind === 'absent_equal') {
        if (!list[0]) this.equate(rule.operand, rule.a, rule.b);
        continue;
      }
      list.forEach((value, repetition) => {
        if (rule.kind === 'with_i8' && (this.input(rule.a, repetition)?.dtype === 'i8') !== (value !== undefined))
          this.refuse(label(this.operand(rule.operand), repetition), `stands beside an i8 ${rule.a}, and only there.`);
        for (const need of rule.needs)
          if (value && !this.input(need, repetition)) this.refuse(label(this.operand(need), repetition), `is missing, and ${rule.operand} needs it.`);
      });
    }
  }

  private equate(operand: string, a: string, b: string): void {
    const [x, y] = [this.bound.get(a), this.bound.get(b)];
    if (x !== undefined && y !== undefined && !sameSize(x, y)) this.refuse(`operand ${operand}`, `is absent, so ${a} (${x}) must equal ${b} (${y}).`);
    if (x !== undefined && y === undefined) this.bound.set(b, x);
    if (y !== undefined && x === undefined) this.bound.set(a, y);
  }
}

/** Sizes of a declared shape: rank 1 to 4, whole numbers. */
export function checkSizes(shape: Shape, refuse: (message: string) => never): void {
  if (shape.length < 1 || shape.length > MAX_RANK) refuse(`${formatShape(shape)} has ${shape.length} dimensions; 1 to ${MAX_RANK} are possible.`);
  for (const size of shape)
    if (typeof size === 'number' && (!Number.isInteger(size) || size < 0 || size >= 2 ** 31)) refuse(`${formatShape(shape)} has a dimension that is not an integer in [0, 2^31).`);
}

const key = (name: string, repetition: number) => (name.endsWith('_i') ? `${name}${repetition}` : name);

export function label(operand: OperandSchema, repetition: number): string {
  return operand.repeat ? `operand ${operand.name}[${repetition}]` : `operand ${operand.name}`;
}

function formatPattern(p: DimPattern): string {
  return `${p.mul === '1' ? '' : `${p.mul}*`}${p.name}${p.add ? `+${p.add}` : ''}`;
}
