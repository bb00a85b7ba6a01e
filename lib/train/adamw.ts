/**
 * AdamW over a list of parameters (Loshchilov & Hutter 2019), as two programs: `accumulate`, built into the step's own graph,
 * adds gradients to buffers; `update` turns the sums into a clipped mean and moves the parameters. Any number of
 * accumulations may precede an update.
 */
import type { DeviceBuffer, Engine } from '../engine/engine.ts';
import { HypertuneError } from '../engine/errors.ts';
import { Graph, accumulate, adamw, compile, globalNorm, gradScale, zero } from '../graph/index.ts';
import type { Program, Value } from '../graph/index.ts';
import type { Parameter } from '../t5/parameters.ts';

export interface TrainedParameter extends Parameter {
  /** Factor on the learning rate. */
  lrScale: number;
  weightDecay: number;
}

export interface AdamWOptions {
  beta1?: number;
  beta2?: number;
  eps?: number;
  /** Largest norm of the mean gradient; 0: no clipping. */
  maxNorm?: number;
}

interface Slot {
  parameter: TrainedParameter;
  grad: DeviceBuffer;
  m: DeviceBuffer;
  v: DeviceBuffer;
}

export interface UpdateResult {
  /** Norm of the mean gradient before clipping. */
  norm: number;
}

export class AdamW {
  readonly engine: Engine;
  readonly slots: readonly Slot[];
  /** Updates so far. */
  step = 0;
  private readonly options: Required<AdamWOptions>;
  private readonly program: Program<'norm'>;

  constructor(engine: Engine, parameters: readonly TrainedParameter[], options: AdamWOptions = {}) {
    this.engine = engine;
    this.options = { beta1: 0.9, beta2: 0.999, eps: 1e-8, maxNorm: 1, ...options };
    this.slots = parameters.map((parameter) => {
      const buffer = (kind: string) => engine.buffer('f32', parameter.buffer.elements, { name: `${parameter.name}.${kind}` });
      return { parameter, grad: buffer('grad'), m: buffer('m'), v: buffer('v') };
    });
    this.program = this.updateProgram();
  }

  /** Parameters as values of a step's graph, in the order of the slots. */
  values(g: Graph): Value[] {
    return this.slots.map(({ parameter }) => g.buffer(parameter.buffer, parameter.shape, parameter.name));
  }

  /** Adds gradients of a summed loss; undefined ones are left alone. */
  accumulate(g: Graph, gradients: readonly (Value | undefined)[]): void {
    gradients.forEach((x, i) => {
      const { grad, parameter } = this.slots[i];
      if (x) accumulate(g, { buffer: g.buffer(grad, parameter.shape), x });
    });
  }

  /**
   * One update from the accumulated sums; `count` is what they are divided by (tokens). Throws NUMERIC, leaving the
   * parameters as they were, when the gradient is not finite.
   */
  async update(lr: number, count: number): Promise<UpdateResult> {
    const { beta1, beta2 } = this.options;
    const t = this.step + 1;
    const rates = Float32Array.of(lr, 1 - beta1 ** t, 1 - beta2 ** t);
    const { norm } = await this.program.run({ feeds: { rates, count: Float32Array.of(count) } });
    if (!Number.isFinite(norm[0])) throw new HypertuneError('NUMERIC', `the gradient of update ${t} is not finite.`, { field: 'gradient', remedy: 'Lower the learning rate, or look for broken data in the last batch.' });
    this.step = t;
    return { norm: norm[0] };
  }

  dispose(): void {
    this.program.dispose();
    for (const { grad, m, v } of this.slots) for (const buffer of [grad, m, v]) buffer.dispose();
  }

  private updateProgram(): Program<'norm'> {
    const g = new Graph();
    const { beta1, beta2, eps, maxNorm } = this.options;
    const rates = g.feed('rates', 'f32', [3]);
    const count = g.feed('count', 'f32', [1]);
    const grads = this.slots.map(({ grad, parameter }) => g.buffer(grad, parameter.shape));
    const { scale: gscale, norm } = gradScale(g, { norm: globalNorm(g, { x: grads }), count, maxNorm });
    this.slots.forEach(({ parameter, m, v }, i) => {
      const { shape, buffer, lrScale, weightDecay } = parameter;
      adamw(g, { param: g.buffer(buffer, shape), m: g.buffer(m, shape), v: g.buffer(v, shape), grad: grads[i], rates, gscale, beta1, beta2, eps, weightDecay, lrScale });
    });
    for (const grad of grads) zero(g, { buffer: grad });
    return compile(this.engine, g, { fetches: { norm } });
  }
}
