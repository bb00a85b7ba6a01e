/** Losses on batches that training does not draw, the same ones each time. */
import { HypertuneError } from '../../engine/errors.ts';
import type { Part, PartLoss } from '../loop.ts';

export interface Validation {
  /** Mean per answer token over all parts, in nats; `parts` holds their controls too, which do not count here. */
  loss: number;
  tokens: number;
  parts: PartLoss[];
  seconds: number;
  /** What the caller's own evaluation measured. */
  scores?: Record<string, number>;
}

/** Throws NUMERIC for a loss that is not finite. */
export async function validate(parts: readonly Part[], batches: number): Promise<Validation> {
  const started = performance.now();
  const losses: PartLoss[] = [];
  let [sum, tokens] = [0, 0];
  for (const part of parts) {
    const own = await lossOf(part, batches);
    sum += own.loss * own.tokens;
    tokens += own.tokens;
    losses.push(own);
    for (const control of part.controls ?? []) losses.push(await lossOf(control, batches));
  }
  return { loss: sum / tokens, tokens, parts: losses, seconds: (performance.now() - started) / 1000 };
}

async function lossOf({ name, objective, batch }: Part, batches: number): Promise<PartLoss> {
  let [loss, tokens] = [0, 0];
  for (let i = 0; i < batches; i++) {
    const result = await objective.evaluate(await batch(i, 0));
    loss += result.loss;
    tokens += result.tokens;
  }
  if (!Number.isFinite(loss)) throw new HypertuneError('NUMERIC', `the validation loss of part ${name} is ${loss}.`, { field: 'loss', remedy: 'Lower the learning rate.' });
  return { name, loss: loss / tokens, tokens };
}
