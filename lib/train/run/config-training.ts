/** How a run trains: what moves, by which rule, at which rate. */
import type { AdafactorOptions } from '../adafactor.ts';
import type { AdamWOptions } from '../adamw.ts';
import type { SharedOptions } from '../optimizer.ts';
import type { ParameterRule } from '../parameters.ts';
import type { Schedule, ScheduleKind } from '../schedule.ts';
import { Section } from './section.ts';

/** `average` null: no average of the weights is kept. */
type Common = { weightDecay: number; average: number | null } & Required<Pick<SharedOptions, 'maxNorm'>>;
type Own<Options> = Required<Omit<Options, keyof SharedOptions>>;

export type OptimizerConfig =
  | ({ kind: 'adamw' } & Common & Own<AdamWOptions>)
  | ({ kind: 'adafactor' } & Common & Omit<Own<AdafactorOptions>, 'beta1'> & { beta1: number | null });

export interface TrainConfig {
  t5: boolean;
  hyper: boolean;
  /** Share of activations that are set to 0 in the models that train. */
  dropout: number;
  /** Blocks are computed again in the backward pass instead of being kept: less memory, more time, the same gradients. */
  checkpointing: boolean;
  /** By names as in `t5.encoder...` and `hyper-lora.heads...`; the first that matches counts. */
  rules: (ParameterRule & { match: string })[];
}

const COMMON = ['kind', 'weightDecay', 'maxNorm', 'average'];
const FIELDS = {
  adamw: [...COMMON, 'beta1', 'beta2', 'eps'],
  adafactor: [...COMMON, 'eps1', 'eps2', 'clipThreshold', 'decayRate', 'beta1', 'scaleParameter', 'relativeStep', 'warmupInit'],
};
const SCHEDULES: readonly ScheduleKind[] = ['cosine', 'linear', 'constant', 'inverse-sqrt'];
/** Largest number below 1 that is one in f32 too. */
const BELOW_ONE = { min: 0, max: 1 - 2 ** -24 };
const POSITIVE = { min: 0 };

export function parseOptimizer(run: Section): OptimizerConfig {
  const all = run.section('optimizer', [...new Set([...FIELDS.adamw, ...FIELDS.adafactor])]);
  const kind = all?.oneOf('kind', Object.keys(FIELDS) as OptimizerConfig['kind'][], 'adamw') ?? 'adamw';
  const o = run.section('optimizer', FIELDS[kind]) ?? new Section({}, run.source, 'optimizer', []);
  const average = o.optionalNumber('average', BELOW_ONE) ?? null;
  if (kind === 'adamw') {
    return {
      kind, average, weightDecay: o.number('weightDecay', 0.01, POSITIVE), maxNorm: o.number('maxNorm', 1, POSITIVE),
      beta1: o.number('beta1', 0.9, BELOW_ONE), beta2: o.number('beta2', 0.999, BELOW_ONE), eps: o.number('eps', 1e-8, POSITIVE),
    };
  }
  const relativeStep = o.boolean('relativeStep', false);
  const warmupInit = o.boolean('warmupInit', false);
  if (warmupInit && !relativeStep) throw o.invalid('warmupInit', 'false, or relativeStep true beside it');
  return {
    kind, average, weightDecay: o.number('weightDecay', 0, POSITIVE), maxNorm: o.number('maxNorm', 0, POSITIVE),
    eps1: o.number('eps1', 1e-30, { min: 1e-37 }), eps2: o.number('eps2', 1e-3, POSITIVE), clipThreshold: o.number('clipThreshold', 1, { min: 1e-6 }), decayRate: o.number('decayRate', -0.8, { max: 0 }),
    beta1: o.optionalNumber('beta1', BELOW_ONE) ?? null, scaleParameter: o.boolean('scaleParameter', true), relativeStep, warmupInit,
  };
}

export function parseSchedule(run: Section): Required<Schedule> {
  const c = run.section('schedule', ['kind', 'peak', 'steps', 'warmup', 'decayFrom', 'floor']);
  if (!c) throw run.invalid('schedule', '{ "steps": ..., "peak": ... }');
  const steps = c.integer('steps', undefined, { min: 1 });
  return {
    kind: c.oneOf('kind', SCHEDULES, 'cosine'), peak: c.number('peak', undefined, POSITIVE), steps, warmup: c.integer('warmup', Math.min(200, Math.floor(steps / 5)), { min: 0, max: steps }),
    decayFrom: c.number('decayFrom', 0, { min: 0, max: 1 }), floor: c.number('floor', 0, { min: 0, max: 1 }),
  };
}

/** A hypermodel trains where there is one, and the T5 where there is none, unless the configuration says otherwise. */
export function parseTrain(run: Section, hypermodels: number): TrainConfig {
  const t = run.section('train', ['t5', 'hyper', 'dropout', 'checkpointing', 'rules']) ?? new Section({}, run.source, 'train', []);
  const rules = t.sections('rules', ['match', 'lr', 'freeze', 'weightDecay']).map((r) => {
    const [lr, freeze, weightDecay] = [r.optionalNumber('lr', POSITIVE), r.boolean('freeze', false), r.optionalNumber('weightDecay', POSITIVE)];
    return { match: r.string('match'), ...(lr !== undefined && { lr }), ...(freeze && { freeze }), ...(weightDecay !== undefined && { weightDecay }) };
  });
  return {
    t5: t.boolean('t5', hypermodels === 0), hyper: t.boolean('hyper', hypermodels > 0), dropout: t.number('dropout', 0, BELOW_ONE), checkpointing: t.boolean('checkpointing', false), rules,
  };
}
