/** Slot of each row in every state. */
import { HypertuneError } from '../../engine/errors.ts';
import type { Program } from '../../graph/index.ts';

/** Slot of each of `rows` rows: zeros, no adaptation, where none are given. */
export function rowSlots(slots: Int32Array | undefined, rows: number): Int32Array {
  if (slots === undefined) return new Int32Array(rows);
  if (!(slots instanceof Int32Array) || slots.length !== rows) {
    throw new HypertuneError('ARGUMENT_INVALID', `must be an Int32Array of ${rows}, one slot per input.`, { field: 'slots' });
  }
  return slots;
}

/** Throws ARGUMENT_INVALID where a row asks for a slot and no program knows of any. */
export function checkSlots(slots: Int32Array, programs: readonly Pick<Program, 'feeds'>[]): void {
  const row = slots.findIndex((slot) => slot !== 0);
  if (row >= 0 && !programs.some(({ feeds }) => feeds.includes('slots') || feeds.includes('answerSlots'))) {
    throw new HypertuneError('ARGUMENT_INVALID', `row ${row} asks for slot ${slots[row]}, and there are no states.`, { field: 'slots' });
  }
}

/** The feed `name` if the program reads it. */
export function slotsFeed(program: Pick<Program, 'feeds'>, name: 'slots' | 'answerSlots', slots: Int32Array): Record<string, Int32Array> {
  return program.feeds.includes(name) ? { [name]: slots } : {};
}
