/** Learning rate over a run: linear warm-up, constant to `decayFrom`, then cosine down to `floor`. */
export interface Schedule {
  peak: number;
  steps: number;
  warmup: number;
  /** Share of the run after which the rate falls. */
  decayFrom: number;
  /** Share of the peak that is left at the end. */
  floor: number;
}

/** The rate of update `step`, counted from 0. */
export function learningRate({ peak, steps, warmup, decayFrom, floor }: Schedule, step: number): number {
  if (step < warmup) return (peak * (step + 1)) / warmup;
  const start = Math.max(warmup, decayFrom * steps);
  if (step <= start) return peak;
  const progress = Math.min(1, (step - start) / Math.max(1, steps - start));
  return peak * (floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * progress)));
}
