/**
 * What every optimiser does besides its rule: gradients of any number of accumulations are added to buffers; an update turns
 * the sums into a clipped mean, moves the parameters and clears the sums, in one program.
 */
import type { DeviceBuffer, Engine } from '../engine/engine.ts';
import { HypertuneError } from '../engine/errors.ts';
import { Graph, accumulate, assign, average, compile, globalNorm, gradScale, zero } from '../graph/index.ts';
import type { Program, Value } from '../graph/index.ts';
import type { Parameter } from '../t5/parameters.ts';
import { averageRate, requireDecay } from './average.ts';

export interface TrainedParameter extends Parameter {
  /** Factor on the learning rate. */
  lrScale: number;
  weightDecay: number;
  /**
   * f32, of a bf16 parameter: the values that updates move; the parameter is set to them, rounded, at once. It stays the
   * caller's. Absent: a master that starts from the rounded values.
   */
  master?: DeviceBuffer;
}

export interface UpdateResult {
  /** Norm of the mean gradient before clipping. */
  norm: number;
}

/** Memory that a resumed run must have. */
export interface StateTensor {
  /** Unique: the parameter's name and the kind. */
  name: string;
  buffer: DeviceBuffer;
  shape: readonly number[];
}

export interface Optimizer {
  /** Updates so far. */
  readonly step: number;
  /** The parameters as values of a step's graph, in a fixed order. */
  values(g: Graph): Value[];
  /** Builds into a step's graph: adds gradients of a summed loss, in the order of `values`; undefined ones are left alone. */
  accumulate(g: Graph, gradients: readonly (Value | undefined)[]): void;
  /** Compiles what `update` runs; the first update does it otherwise. Throws MEMORY_LIMIT. */
  prepare(): void;
  /**
   * One update from the accumulated sums; `count` > 0 is what they are divided by (tokens). Throws NUMERIC, leaving parameters and
   * state as they were, when the gradient is not finite. The sums are 0 afterwards in both cases.
   */
  update(lr: number, count: number): Promise<UpdateResult>;
  /** Masters of bf16 parameters, moments, averages: with the parameters themselves, all that a resumed run needs. */
  state(): readonly StateTensor[];
  /** Continues after `step` updates whose state the caller has written into the buffers of `state()`. */
  resumeAt(step: number): void;
  dispose(): void;
}

export interface SharedOptions {
  /** Largest norm of the mean gradient; 0: no clipping. */
  maxNorm?: number;
  /** Decay of an average of the parameters (average.ts), in [0, 1); absent: none is kept. */
  averageDecay?: number;
}

/** What one parameter's update reads and writes. All in the shape that the rule's `view` gives it. */
export interface RuleOperands {
  /** Persistent f32: the master, or the parameter itself. */
  param: Value;
  /** Persistent bf16 copy that the forward pass reads. */
  copy: Value | undefined;
  /** Sum of the gradients. */
  grad: Value;
  /** f32 [1]: makes the sum the clipped mean; 0: leave everything as it is. */
  gscale: Value;
  /** What `rates` gave. */
  rates: Value;
  /** The rule's own state by kind. */
  state: Readonly<Record<string, Value>>;
  lrScale: number;
  weightDecay: number;
}

/** How an optimiser moves one parameter. */
export interface UpdateRule {
  /** The shape in which the rule sees a parameter. */
  view(shape: readonly number[]): readonly number[];
  /** Shapes of its f32 state by kind, all zero before the first update. */
  state(view: readonly number[]): Readonly<Record<string, readonly number[]>>;
  /** Numbers that depend on the update: `t` counts from 1. Always of the same length. */
  rates(lr: number, t: number): Float32Array;
  apply(g: Graph, operands: RuleOperands): void;
}

interface Slot {
  parameter: TrainedParameter;
  /** Sum of the gradients, f32. */
  grad: DeviceBuffer;
  /** What updates move: the parameter's own buffer where it is f32. */
  master: DeviceBuffer;
  state: Readonly<Record<string, DeviceBuffer>>;
  average: DeviceBuffer | undefined;
}

/** An optimiser from its rule. */
export class RuleOptimizer implements Optimizer {
  readonly engine: Engine;
  readonly slots: readonly Slot[];
  private readonly rule: UpdateRule;
  private readonly maxNorm: number;
  private readonly averageDecay: number | undefined;
  private program: Program<'norm'> | undefined;
  private readonly owned: DeviceBuffer[] = [];
  /** Masters and bf16 copies agree once this has run; the engine runs calls in their order. */
  private readonly ready: Promise<unknown>;
  private updates = 0;

  constructor(engine: Engine, parameters: readonly TrainedParameter[], rule: UpdateRule, { maxNorm = 1, averageDecay }: SharedOptions = {}) {
    requireParameters(parameters);
    requireAtLeast(maxNorm, 0, 'maxNorm');
    if (averageDecay !== undefined) requireDecay(averageDecay);
    this.engine = engine;
    this.rule = rule;
    this.maxNorm = maxNorm;
    this.averageDecay = averageDecay;
    this.slots = parameters.map((parameter) => this.slot(parameter));
    this.ready = this.matchMasters();
    // Reported by the first update; nobody waits for it before.
    this.ready.catch(() => {});
  }

  get step(): number {
    return this.updates;
  }

  values(g: Graph): Value[] {
    return this.slots.map(({ parameter }) => g.buffer(parameter.buffer, parameter.shape, parameter.name));
  }

  accumulate(g: Graph, gradients: readonly (Value | undefined)[]): void {
    gradients.forEach((x, i) => {
      const { grad, parameter } = this.slots[i];
      if (x) accumulate(g, { buffer: g.buffer(grad, parameter.shape), x });
    });
  }

  prepare(): void {
    this.program ??= this.updateProgram();
  }

  async update(lr: number, count: number): Promise<UpdateResult> {
    requireAtLeast(lr, 0, 'lr');
    if (!(Number.isFinite(count) && count > 0)) throw new HypertuneError('ARGUMENT_RANGE', `count is ${count}: there is nothing to take the mean of.`, { field: 'count', remedy: 'Give every step a batch with answer tokens.' });
    await this.ready;
    this.prepare();
    const t = this.updates + 1;
    const feeds: Record<string, Float32Array> = { rates: this.rule.rates(lr, t), count: Float32Array.of(count) };
    if (this.averageDecay !== undefined) feeds['averageRate'] = Float32Array.of(averageRate(this.averageDecay, t));
    const { norm } = await this.program!.run({ feeds });
    if (!Number.isFinite(norm[0])) throw new HypertuneError('NUMERIC', `the gradient of update ${t} is not finite.`, { field: 'gradient', remedy: 'Lower the learning rate, or look for broken data in the last batch.' });
    this.updates = t;
    return { norm: norm[0] };
  }

  state(): readonly StateTensor[] {
    return this.slots.flatMap(({ parameter, master, state, average: mean }) => {
      const { name, shape, buffer } = parameter;
      const shapes = this.rule.state(this.rule.view(shape));
      return [
        ...(master === buffer ? [] : [{ name: `${name}.master`, buffer: master, shape }]),
        ...Object.entries(state).map(([kind, held]) => ({ name: `${name}.${kind}`, buffer: held, shape: shapes[kind] })),
        ...(mean ? [{ name: `${name}.average`, buffer: mean, shape }] : []),
      ];
    });
  }

  resumeAt(step: number): void {
    if (!Number.isInteger(step) || step < 0) throw new HypertuneError('ARGUMENT_RANGE', `${step} is not a number of updates.`, { field: 'step' });
    this.updates = step;
  }

  /** Buffers of the averages, f32, by the parameter's name; empty without `averageDecay`. Zero before the first update. */
  averages(): Map<string, DeviceBuffer> {
    return new Map(this.slots.flatMap(({ parameter, average: mean }) => (mean ? [[parameter.name, mean] as const] : [])));
  }

  dispose(): void {
    this.program?.dispose();
    for (const buffer of this.owned) buffer.dispose();
  }

  private slot(parameter: TrainedParameter): Slot {
    const { name, shape, buffer, master } = parameter;
    const own = (kind: string, elements: number) => {
      const made = this.engine.buffer('f32', elements, { name: `${name}.${kind}` });
      this.owned.push(made);
      return made;
    };
    const state = Object.entries(this.rule.state(this.rule.view(shape))).map(([kind, dims]) => [kind, own(kind, dims.reduce((n, d) => n * d, 1))]);
    return {
      parameter,
      grad: own('grad', buffer.elements),
      master: buffer.dtype === 'f32' ? buffer : (master ?? own('master', buffer.elements)),
      state: Object.fromEntries(state),
      average: this.averageDecay === undefined ? undefined : own('average', buffer.elements),
    };
  }

  private matchMasters(): Promise<unknown> {
    const rounded = this.slots.filter(({ parameter, master }) => parameter.buffer !== master);
    if (!rounded.length) return Promise.resolve();
    const g = new Graph();
    for (const { parameter, master } of rounded) {
      const [compute, exact] = [g.buffer(parameter.buffer, parameter.shape), g.buffer(master, parameter.shape)];
      if (parameter.master) assign(g, { buffer: compute, x: exact });
      else assign(g, { buffer: exact, x: compute });
    }
    const program = compile(this.engine, g, { fetches: {} });
    return program.run().finally(() => program.dispose());
  }

  private updateProgram(): Program<'norm'> {
    const g = new Graph();
    const rates = g.feed('rates', 'f32', [this.rule.rates(0, 1).length]);
    const count = g.feed('count', 'f32', [1]);
    const grads = this.slots.map(({ grad, parameter }) => g.buffer(grad, this.rule.view(parameter.shape)));
    const { scale: gscale, norm } = gradScale(g, { norm: globalNorm(g, { x: grads }), count, maxNorm: this.maxNorm });
    this.slots.forEach(({ parameter, master, state }, i) => {
      const { shape, buffer, lrScale, weightDecay } = parameter;
      const view = this.rule.view(shape);
      const shapes = this.rule.state(view);
      const values = Object.entries(state).map(([kind, held]) => [kind, g.buffer(held, shapes[kind])]);
      const copy = master === buffer ? undefined : g.buffer(buffer, view);
      this.rule.apply(g, { param: g.buffer(master, view), copy, grad: grads[i], gscale, rates, state: Object.fromEntries(values), lrScale, weightDecay });
    });
    if (this.averageDecay !== undefined) {
      const rate = g.feed('averageRate', 'f32', [1]);
      for (const { parameter, master, average: mean } of this.slots) {
        const view = this.rule.view(parameter.shape);
        average(g, { mean: g.buffer(mean!, view), x: g.buffer(master, view), rate, gscale });
      }
    }
    for (const grad of grads) zero(g, { buffer: grad });
    return compile(this.engine, g, { fetches: { norm } });
  }
}

/** ARGUMENT_RANGE unless `value` is a finite number that is at least `least`. */
export function requireAtLeast(value: number, least: number, field: string): void {
  if (!Number.isFinite(value) || value < least) throw new HypertuneError('ARGUMENT_RANGE', `${field} is ${value}, not a number from ${least} on.`, { field });
}

function requireParameters(parameters: readonly TrainedParameter[]): void {
  if (!parameters.length) throw new HypertuneError('ARGUMENT_INVALID', 'there is no parameter to train.', { field: 'parameters', remedy: 'Freeze fewer of them.' });
  const names = new Set<string>();
  for (const { name, buffer, master, lrScale, weightDecay } of parameters) {
    if (names.has(name)) throw new HypertuneError('ARGUMENT_INVALID', `parameter ${name} is given twice.`, { field: name, remedy: 'Give each model a prefix of its own.' });
    names.add(name);
    if (buffer.frozen) throw new HypertuneError('ARGUMENT_INVALID', `parameter ${name} is frozen.`, { field: name, remedy: 'Load the model with frozen: false.' });
    if (master && (buffer.dtype === 'f32' || master.dtype !== 'f32' || master.elements !== buffer.elements))
      throw new HypertuneError('ARGUMENT_INVALID', `the master of ${name} is ${master.dtype} [${master.elements}] beside ${buffer.dtype} [${buffer.elements}].`, { field: name });
    requireAtLeast(lrScale, 0, `${name}.lrScale`);
    requireAtLeast(weightDecay, 0, `${name}.weightDecay`);
  }
}
