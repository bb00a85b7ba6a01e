import type { Engine, HostArray } from '../../lib/engine/engine.ts';
import type { Dim, Shape, Value } from '../../lib/graph/index.ts';
import { Graph, compile, elementsAt, gradients } from '../../lib/graph/index.ts';

/** Builds one graph whose feeds hold chosen or random f64 data. */
export class Problem {
  readonly g = new Graph();
  readonly feeds: Record<string, HostArray> = {};
  readonly symbols: Record<string, number> = {};
  readonly params: Value[] = [];
  private state: number;

  constructor(seed: number) {
    this.state = seed;
  }

  symbol(name: string, value: number): Dim {
    this.symbols[name] = value;
    return this.g.symbol(name, value + 3);
  }

  /** Random in [-1, 1], differentiated. */
  param(name: string, ...shape: Shape): Value {
    const value = this.floats(name, ...shape);
    this.params.push(value);
    return value;
  }

  /** Random in [-1, 1], held fixed. */
  floats(name: string, ...shape: Shape): Value {
    const count = elementsAt(shape, (s) => this.symbols[s.name]);
    this.feeds[name] = Float64Array.from({ length: count }, () => this.random());
    return this.g.feed(name, 'f32', shape);
  }

  constant(name: string, data: readonly number[], ...shape: Shape): Value {
    this.feeds[name] = Float64Array.from(data);
    return this.g.feed(name, 'f32', shape);
  }

  ints(name: string, data: readonly number[], ...shape: Shape): Value {
    this.feeds[name] = Int32Array.from(data);
    return this.g.feed(name, 'i32', shape.length ? shape : [data.length]);
  }

  /** Mulberry32. */
  private random(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * 2 - 1;
  }
}

export interface Mismatch {
  param: string;
  /** Largest |analytic - numeric| relative to the largest |numeric| of the parameter. */
  error: number;
  /** Largest |numeric|. */
  size: number;
}

/** Central differences in f64 with this step: their error is about step^2 = 1e-10 from curvature and 1e-16 / step from rounding. */
const STEP = 1e-5;

/** Compares `gradients` of a random projection of the outputs with central differences, for every element of every parameter. */
export async function compareWithDifferences(engine: Engine, problem: Problem, outputs: readonly Value[]): Promise<Mismatch[]> {
  const { g, symbols, feeds, params } = problem;
  const projections = outputs.map((value, i) => problem.floats(`projection ${i}`, ...value.shape));
  const grads = gradients(g, outputs.map((value, i) => ({ value, grad: projections[i] })), params);
  const missing = params.filter((_, i) => !grads[i]).map((v) => v.name);
  if (missing.length) throw new Error(`no gradient for ${missing.join()}`);
  const forward = compile(engine, g, { fetches: Object.fromEntries(outputs.map((value, i) => [`y${i}`, value])) });
  const backward = compile(engine, g, { fetches: Object.fromEntries(grads.map((value, i) => [`d${i}`, value!])) });

  const objective = async () => {
    const result = await forward.run({ symbols, feeds });
    let total = 0;
    outputs.forEach((_, i) => (result[`y${i}`] as HostArray).forEach((y, j) => (total += y * feeds[`projection ${i}`][j])));
    return total;
  };
  const analytic = await backward.run({ symbols, feeds });
  const found: Mismatch[] = [];
  for (const [i, param] of params.entries()) {
    const data = feeds[param.name];
    let [worst, size] = [0, 0];
    for (let j = 0; j < data.length; ++j) {
      const at = data[j];
      data[j] = at + STEP;
      const above = await objective();
      data[j] = at - STEP;
      const below = await objective();
      data[j] = at;
      const numeric = (above - below) / (2 * STEP);
      size = Math.max(size, Math.abs(numeric));
      const distance = Math.abs((analytic[`d${i}`] as HostArray)[j] - numeric);
      worst = Number.isNaN(distance) ? Infinity : Math.max(worst, distance);
    }
    found.push({ param: param.name, error: worst / size, size });
  }
  forward.dispose();
  backward.dispose();
  return found;
}
