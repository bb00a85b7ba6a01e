/** Case files: one line is one call of an op. docs/ops.md describes the format; test/native/ops/ reads the same files. */
import { readFileSync } from 'node:fs';
import type { Attr } from '../../lib/graph/index.ts';
import type { OpName } from '../../lib/graph/ops.gen.ts';
import { OPS } from '../../lib/graph/ops.gen.ts';
import type { DimPattern, OpSchema, OperandSchema } from '../../lib/graph/schema.ts';

export type CaseType = 'f32' | 'bf16' | 'i32' | 'i8';

/** How the elements of an operand are drawn: `gain~uniform(0.5,1.5)`. */
export interface Draw {
  kind: string;
  args: readonly string[];
}

export interface Case {
  where: string;
  text: string;
  op: OpName;
  /** Dimensions, attributes, shape, seed, tol, flag. */
  keys: ReadonlyMap<string, string>;
  dtypes: ReadonlyMap<string, CaseType>;
  draws: ReadonlyMap<string, Draw>;
  /** Optional operands. */
  present: ReadonlySet<string>;
}

/** An operand with its type and shape. */
export interface Slot {
  schema: OperandSchema;
  /** Of a repeated operand, else -1. */
  repetition: number;
  present: boolean;
  dtype: CaseType;
  shape: readonly number[];
}

export interface Bound {
  source: Case;
  schema: OpSchema;
  dims: ReadonlyMap<string, string>;
  attrs: Readonly<Record<string, Attr>>;
  inputs: readonly Slot[];
  outputs: readonly Slot[];
}

export const slotName = (slot: Slot) => (slot.repetition < 0 ? slot.schema.name : `${slot.schema.name}_${slot.repetition}`);
export const slotSize = (slot: Slot) => slot.shape.reduce((n, d) => n * d, 1);

/** The lines of a file that are not comments, with where they stand. */
export function readLines(file: string): { text: string; where: string }[] {
  const name = file.slice(file.lastIndexOf('/') + 1);
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((text, i) => ({ text, where: `${name}:${i + 1}` }))
    .filter(({ text }) => text !== '' && !text.startsWith('#'));
}

/** Words: `key=value`, `operand:dtype`, `operand~distribution`, or the name of an optional operand that is present. */
export function parseCase(text: string, where: string): Case {
  const [op, ...words] = text.split(/\s+/).filter(Boolean);
  const keys = new Map<string, string>();
  const dtypes = new Map<string, CaseType>();
  const draws = new Map<string, Draw>();
  const present = new Set<string>();
  for (const word of words) {
    const [, name, sign, value] = /^([^=:~]+)([=:~])?(.*)$/.exec(word)!;
    if (sign === '=') keys.set(name, value);
    else if (sign === ':') dtypes.set(name, value as CaseType);
    else if (sign === '~') draws.set(name, parseDraw(value));
    else present.add(name);
  }
  return { where, text, op: op as OpName, keys, dtypes, draws, present };
}

function parseDraw(text: string): Draw {
  const m = /^(\w+)\((.*)\)$/.exec(text);
  if (!m) throw new Error(`distribution '${text}'`);
  return { kind: m[1], args: m[2].split(',') };
}

export function parseNumber(text: string): number {
  if (text === 'nan') return NaN;
  if (text === 'inf' || text === '-inf') return text === 'inf' ? Infinity : -Infinity;
  const value = Number(text);
  if (text === '' || Number.isNaN(value)) throw new Error(`number '${text}'`);
  return value;
}

/** The entry of `name_repetition` if there is one, else that of `name`. */
export function findRepetition<T>(map: ReadonlyMap<string, T>, name: string, repetition: number): T | undefined {
  return map.get(`${name}_${repetition}`) ?? map.get(name);
}

/** Applies the op table: which operands there are, with their types and shapes. */
export function bindCase(source: Case): Bound {
  const schema = OPS[source.op];
  if (!schema) throw new Error(`no op '${source.op}'`);
  const attrs = Object.fromEntries(schema.attrs.map(({ name, type, lo }) => {
    const given = source.keys.get(name);
    if (type === 'dtype') return [name, (given ?? 'f32') as CaseType as Attr];
    if (type === 'float') return [name, given === undefined ? 0 : Math.fround(parseNumber(given))];
    return [name, given === undefined ? lo : parseNumber(given)];
  }));
  const dims = new Map(source.keys);
  for (const rule of schema.rules) {
    if (rule.kind !== 'absent_equal' || source.present.has(rule.operand)) continue;
    const [a, b] = [dims.get(rule.a), dims.get(rule.b)];
    if (a !== undefined && b === undefined) dims.set(rule.b, a);
    if (b !== undefined && a === undefined) dims.set(rule.a, b);
  }
  const slots: Slot[] = [];
  const bound: Bound = { source, schema, dims, attrs, inputs: slots, outputs: [] };
  bindSide(bound, schema.inputs, slots, slots);
  const outputs: Slot[] = [];
  bindSide(bound, schema.outputs, outputs, slots);
  return { ...bound, outputs };
}

function bindSide(bound: Bound, operands: readonly OperandSchema[], slots: Slot[], known: readonly Slot[]): void {
  for (const operand of operands) if (!operand.repeat) slots.push(bindSlot(bound, operand, -1, known));
  const repeated = operands.filter((o) => o.repeat);
  for (let i = 0; repeated.length && i < Number(bound.attrs['n']); i++) for (const operand of repeated) slots.push(bindSlot(bound, operand, i, known));
}

function bindSlot(bound: Bound, schema: OperandSchema, repetition: number, known: readonly Slot[]): Slot {
  const { source } = bound;
  const like = (name: string) => known.find((s) => s.schema.name === name && (s.repetition < 0 || s.repetition === repetition))!;
  const given = findRepetition(source.dtypes, schema.name, repetition);
  const present = !schema.optional || given !== undefined || source.present.has(schema.name) || source.present.has(`${schema.name}_${repetition}`);
  let dtype: CaseType = 'f32';
  if (given) dtype = given;
  else if (schema.dtype === 'i32') dtype = 'i32';
  else if (schema.dtype === '@dtype') dtype = bound.attrs['dtype'] as CaseType;
  else if (schema.dtype.startsWith('=')) dtype = like(schema.dtype.slice(1)).dtype;
  if (!present) return { schema, repetition, present, dtype, shape: [] };
  const { shape } = schema;
  if (shape.kind === 'dims') return { schema, repetition, present, dtype, shape: shape.dims.map((d) => dimValue(bound, d, repetition)) };
  if (shape.kind === 'same') return { schema, repetition, present, dtype, shape: like(shape.like!).shape };
  const open = findRepetition(bound.dims, 'shape', repetition);
  if (open === undefined) throw new Error('shape is not given');
  return { schema, repetition, present, dtype, shape: open.split('x').map(parseNumber) };
}

export function dimNamed(bound: Bound, name: string, repetition: number): number {
  const text = name.endsWith('_i') ? findRepetition(bound.dims, name.slice(0, -2), repetition) : bound.dims.get(name);
  if (text === undefined) throw new Error(`dimension ${name} is not given`);
  return parseNumber(text);
}

export function dimValue(bound: Bound, { mul, name, add }: DimPattern, repetition: number): number {
  if (!name) return add;
  const factor = /^\d/.test(mul) ? Number(mul) : Number(bound.attrs[mul]);
  return factor * dimNamed(bound, name, repetition) + add;
}
