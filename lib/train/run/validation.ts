/** Losses on batches that training does not draw, the same ones each time. */
import { HypertuneError } from '../../engine/errors.ts';
import type { Part, PartLoss } from '../loop.ts';

export interface Validation {
  /** Mean per answer token over all parts, in nats. */
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
  for (const { name, objective, batch } of parts) {
    const part = { loss: 0, tokens: 0 };
    for (let i = 0; i < batches; i++) {
      const result = await objective.evaluate(await batch(i, 0));
      part.loss += result.loss;
      part.tokens += result.tokens;
    }
    if (!Number.isFinite(part.loss)) throw new HypertuneError('NUMERIC', `the validation loss of part ${name} is ${part.loss}.`, { field: 'loss', remedy: 'Lower the learning rate.' });
    sum += part.loss;
    tokens += part.tokens;
    losses.push({ name, loss: part.loss / part.tokens, tokens: part.tokens });
  }
  return { loss: sum / tokens, tokens, parts: losses, seconds: (performance.now() - started) / 1000 };
}
