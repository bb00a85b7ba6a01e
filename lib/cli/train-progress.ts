/** Progress of a training run on stderr: one line that is rewritten on a terminal, plain lines elsewhere. */
import type { TrainingStep } from '../train/loop.ts';
import type { RunPlan } from '../train/run/plan.ts';
import type { Validation } from '../train/run/validation.ts';
import type { Io } from './io.ts';

const TERMINAL_MS = 100;
const PLAIN_MS = 10_000;
const CLEAR_LINE = '\r\u001b[K';
/** Weight of the newest step in the shown means. */
const FRESH = 0.05;
/** Steps after which the time that the run takes is told. */
const MEASURED = 3;

export class TrainProgress {
  private readonly io: Io;
  private readonly steps: number;
  private readonly terminal: boolean;
  private last = -Infinity;
  private seen = 0;
  private seconds = 0;
  private open = false;
  private mean: { loss: number; seconds: number; tokensPerSecond: number } | undefined;

  constructor(io: Io, steps: number) {
    this.io = io;
    this.steps = steps;
    this.terminal = io.stderr.isTTY === true;
  }

  /** The first and the last step are always shown. */
  step(step: TrainingStep): void {
    const now = performance.now();
    const { loss, seconds, tokensPerSecond } = step;
    const old = this.mean ?? { loss, seconds, tokensPerSecond };
    const mix = (a: number, b: number) => a + FRESH * (b - a);
    this.mean = { loss: mix(old.loss, loss), seconds: mix(old.seconds, seconds), tokensPerSecond: mix(old.tokensPerSecond, tokensPerSecond) };
    const done = step.step + 1;
    this.seconds += seconds;
    if (++this.seen === MEASURED) {
      this.clear();
      this.io.stderr.write(`about ${duration((this.seconds / MEASURED) * (this.steps - done))} for the ${this.steps - done} steps that are left, by the first ${MEASURED}\n`);
    }
    if (done !== this.steps && now - this.last < (this.terminal ? TERMINAL_MS : PLAIN_MS)) return;
    this.last = now;
    const left = duration((this.steps - done) * this.mean.seconds);
    const parts = step.parts.length > 1 ? ` (${step.parts.map((p) => `${p.name} ${p.loss.toFixed(3)}`).join(', ')})` : '';
    const line = `step ${done}/${this.steps} loss ${this.mean.loss.toFixed(3)}${parts} norm ${step.norm.toFixed(2)} lr ${step.lr.toExponential(1)} ${Math.round(this.mean.tokensPerSecond)} tokens/s, ${left} left`;
    this.io.stderr.write(this.terminal ? `${CLEAR_LINE}${line}` : `${line}\n`);
    this.open = this.terminal;
  }

  /** Takes the line away, so that other text starts on a clean one. */
  clear(): void {
    if (this.open) this.io.stderr.write('\n');
    this.open = false;
  }
}

/** `52 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export function describePlan({ output, from, steps, models, bytes, rowsPerStep }: RunPlan): string {
  const share = models.map(({ name, trained, frozen }) => `${name}: ${count(trained)} values trained, ${count(frozen)} frozen`);
  const { weights, optimizer, arena } = bytes;
  return [
    `run ${output}: steps ${from} to ${steps}, ${rowsPerStep} rows each`,
    ...share.map((line) => `  ${line}`),
    `  memory: ${mebibytes(weights + optimizer + arena)} (weights ${mebibytes(weights)}, optimiser ${mebibytes(optimizer)}, intermediates ${mebibytes(arena)})`,
  ].join('\n');
}

/** `step`: steps done. */
export function describeValidation(step: number, { loss, parts, scores = {} }: Validation): string {
  const named = [...(parts.length > 1 ? parts.map((p) => [p.name, p.loss] as const) : []), ...Object.entries(scores)];
  return `step ${step}: validation loss ${loss.toFixed(4)}${named.map(([name, value]) => `, ${name} ${value.toFixed(4)}`).join('')}`;
}

function count(values: number): string {
  return values.toLocaleString('en-US');
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
