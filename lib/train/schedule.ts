/**
 * Learning rate over a run: linear warm-up to the peak, constant to `decayFrom`, then down to `floor`. With decayFrom 0 and
 * floor 0 these are transformers' get_*_schedule_with_warmup and get_inverse_sqrt_schedule, except that the warm-up is one
 * update earlier: theirs makes the first update with a rate of 0, for nothing.
 */
import { HypertuneError } from '../engine/errors.ts';

export type ScheduleKind = 'cosine' | 'linear' | 'constant' | 'inverse-sqrt';

export interface Schedule {
  /** How the rate falls; `cosine` when absent. `inverse-sqrt`: as sqrt(s / t) from update s, where it starts to fall. */
  kind?: ScheduleKind;
  peak: number;
  /** Updates of the run. */
  steps: number;
  /** Updates of the warm-up. */
  warmup: number;
  /** Share of the run after which the rate falls, if that is after the warm-up. */
  decayFrom: number;
  /** Share of the peak that is left at the end; `inverse-sqrt` does not fall below it. */
  floor: number;
}

/** Share of the peak, from the updates and the share of them since the rate began to fall. */
const SHARE: Readonly<Record<ScheduleKind, (progress: number, step: number, start: number, floor: number) => number>> = {
  cosine: (progress, _step, _start, floor) => floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * progress)),
  linear: (progress, _step, _start, floor) => floor + (1 - floor) * (1 - progress),
  constant: () => 1,
  // Vaswani et al. 2017, section 5.3; without a start of its own it falls from update 1 on.
  'inverse-sqrt': (_progress, step, start, floor) => Math.max(floor, Math.sqrt(Math.max(1, start) / step)),
};

/** The rate of update `step`, counted from 0. */
export function learningRate({ kind = 'cosine', peak, steps, warmup, decayFrom, floor }: Schedule, step: number): number {
  if (step < warmup) return (peak * (step + 1)) / warmup;
  const start = Math.max(warmup, decayFrom * steps);
  if (step <= start) return peak;
  const progress = Math.min(1, (step - start) / Math.max(1, steps - start));
  return peak * SHARE[kind](progress, step, start, floor);
}

/** CONFIG_INVALID, naming the field, for a schedule that gives no usable rates. */
export function checkSchedule({ kind = 'cosine', peak, steps, warmup, decayFrom, floor }: Schedule): void {
  const refuse = (field: string, message: string): never => {
    throw new HypertuneError('CONFIG_INVALID', `schedule.${field} ${message}`, { field: `schedule.${field}` });
  };
  if (!Object.hasOwn(SHARE, kind)) refuse('kind', `is ${String(kind)}, not one of ${Object.keys(SHARE).join(', ')}.`);
  if (!(Number.isFinite(peak) && peak >= 0)) refuse('peak', `is ${peak}, not a rate.`);
  for (const [field, value] of Object.entries({ steps, warmup })) if (!(Number.isInteger(value) && value >= 0)) refuse(field, `is ${value}, not a number of updates.`);
  for (const [field, value] of Object.entries({ decayFrom, floor })) if (!(value >= 0 && value <= 1)) refuse(field, `is ${value}, not a share from 0 to 1.`);
}
