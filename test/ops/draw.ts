/**
 * The data of a case. Every element is a function of (seed, operand, repetition, element) through Philox and exact
 * arithmetic only: test/native/ops/draw.h gives the same bits.
 */
import type { OpName } from '../../lib/graph/ops.gen.ts';
import { OPS } from '../../lib/graph/ops.gen.ts';
import type { DimPattern } from '../../lib/graph/schema.ts';
import type { Bound, CaseType, Draw, Slot } from './cases.ts';
import { bindCase, dimNamed, dimValue, findRepetition, parseCase, parseNumber, readLines, slotName, slotSize } from './cases.ts';
import { philox4x32 } from './philox.ts';

/** op -> operand -> distribution (draws.txt). */
export type Draws = ReadonlyMap<string, ReadonlyMap<string, Draw>>;

/** Runs a case on the reference device: output name -> values. */
export type RunReference = (bound: Bound, inputs: readonly Float64Array[]) => Promise<ReadonlyMap<string, ArrayLike<number>>>;

export function readDraws(file: string): Draws {
  return new Map(readLines(file).map(({ text, where }) => parseCase(text, where)).map((c) => [c.op as string, c.draws]));
}

/** One array per input slot; empty where the operand is absent. */
export async function drawInputs(bound: Bound, draws: Draws, runReference: RunReference): Promise<Float64Array[]> {
  const inputs: Float64Array[] = [];
  let forward: ReadonlyMap<string, ArrayLike<number>> | undefined;
  for (const slot of bound.inputs) {
    const draw = findRepetition(bound.source.draws, slot.schema.name, slot.repetition) ?? draws.get(bound.source.op)?.get(slot.schema.name);
    if (!slot.present) inputs.push(new Float64Array(0));
    else if (draw?.kind === 'forward') {
      forward ??= await runForward(bound, draw.args[0], draws, runReference);
      inputs.push(Float64Array.from(forward.get(slotName(slot))!, (x) => rounded(x, slot.dtype)));
    } else if (!draw && slot.schema.role.kind === 'offsets') inputs.push(drawOffsets(bound, slot));
    else {
      const element = elementOf(bound, slot, draw);
      inputs.push(new Float64Array(slotSize(slot)).map((_, i) => rounded(element(i), slot.dtype)));
    }
  }
  return inputs;
}

/** What the forward op gives for the same dimensions and the same operands. */
async function runForward({ source }: Bound, op: string, draws: Draws, runReference: RunReference) {
  const name = op as OpName;
  const present = new Set([...source.present, ...OPS[name].outputs.map((o) => o.name)]);
  const merged = new Map([...(draws.get(source.op) ?? []), ...source.draws]);
  const forward = bindCase({ ...source, op: name, present, draws: merged });
  return runReference(forward, await drawInputs(forward, draws, runReference));
}

export function rounded(x: number, dtype: CaseType): number {
  if (dtype === 'f32') return Math.fround(x);
  return dtype === 'bf16' ? roundBf16(x) : x;
}

const scratch = new DataView(new ArrayBuffer(4));

/** To nearest even, by way of fp32 like native/core/dtype.h. */
function roundBf16(x: number): number {
  if (Number.isNaN(x)) return x;
  scratch.setFloat32(0, x);
  const bits = scratch.getUint32(0);
  scratch.setUint32(0, ((bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000) >>> 0);
  return scratch.getFloat32(0);
}

function nameTag(name: string): number {
  let h = 2166136261; // FNV-1a
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 16777619);
  return h >>> 0;
}

const words = new Uint32Array(4);

/** The random words of an element; the array is reused by the next call. */
function bitsOf(bound: Bound, slot: Slot): (element: number) => Uint32Array {
  const key = [parseNumber(bound.source.keys.get('seed') ?? '0'), 0] as const;
  const tag = nameTag(slot.schema.name);
  return (element) => {
    words[0] = element;
    words[1] = tag;
    words[2] = slot.repetition + 1;
    words[3] = 0;
    philox4x32(words, key);
    return words;
  };
}

function elementOf(bound: Bound, slot: Slot, draw: Draw | undefined): (i: number) => number {
  const bits = bitsOf(bound, slot);
  const { role } = slot.schema;
  if (!draw && role.kind === 'index') {
    const [lo, hi] = [role.lo!, role.hi!.reduce((sum, term) => sum + boundTerm(bound, term, slot.repetition), 0)];
    if (hi <= lo && slotSize(slot)) throw new Error(`no index fits ${slotName(slot)}`);
    return (i) => integer(lo, hi, bits(i));
  }
  if (!draw && slot.dtype === 'i8') return (i) => integer(-127, 128, bits(i));
  if (!draw) return slot.dtype === 'i32' ? (i) => integer(0, 1000, bits(i)) : (i) => normal(bits(i));
  const numbers = draw.kind === 'list' ? draw.args.map(parseNumber) : draw.args.slice(0, draw.kind === 'normal' ? 1 : 2).map(parseNumber);
  const [a, b] = numbers;
  switch (draw.kind) {
    case 'normal': {
      const divisor = draw.args.length > 1 ? Math.sqrt(dimNamed(bound, draw.args[1], slot.repetition)) : 1;
      return (i) => (normal(bits(i)) * a) / divisor;
    }
    case 'uniform':
      return (i) => a + (b - a) * (bits(i)[0] / 4294967296);
    case 'integer':
      return (i) => integer(a, b, bits(i));
    case 'list':
      return (i) => numbers[i % numbers.length];
    default:
      throw new Error(`no distribution '${draw.kind}'`);
  }
}

/** A term of an index bound that belongs to an absent operand counts nothing: V+P without a prompt. */
function boundTerm(bound: Bound, term: DimPattern, repetition: number): number {
  const unused = term.name && !term.name.endsWith('_i') && !bound.dims.has(term.name);
  return unused ? term.add : dimValue(bound, term, repetition);
}

/** Sum of four uniform 16-bit numbers, centred and scaled to variance 1: close to normal, and exact in any language. */
function normal(w: Uint32Array): number {
  return ((w[0] & 0xffff) + (w[0] >>> 16) + (w[1] & 0xffff) + (w[1] >>> 16) - 131070) / 37837;
}

function integer(lo: number, hi: number, w: Uint32Array): number {
  return lo + Math.floor((hi - lo) * (w[0] / 4294967296));
}

/** Ascending cuts of [0, total]; about every fourth row is empty. */
function drawOffsets(bound: Bound, slot: Slot): Float64Array {
  const total = dimNamed(bound, slot.schema.role.of!, slot.repetition);
  const bits = bitsOf(bound, slot);
  const cuts = new Float64Array(slotSize(slot)).map((_, i) => integer(0, total + 1, bits(i)));
  if (!cuts.length) throw new Error(`no room for ${slotName(slot)}`);
  cuts[0] = 0;
  cuts[cuts.length - 1] = total;
  cuts.sort();
  for (let i = 1; i + 1 < cuts.length; i++) if (bits(i)[1] % 4 === 0) cuts[i] = cuts[i - 1];
  return cuts;
}
