/**
 * Beam search over a batch. A beam that continues another one inherits its row of the ancestor table; the caches
 * themselves are never moved, and inputs whose answers are final leave the batch.
 */
import type { Program, RunInputs } from '../../graph/index.ts';
import type { Candidate } from './beam-row.ts';
import { BeamRow } from './beam-row.ts';
import type { DecodeContext } from './context.ts';
import type { DecodeSettings } from './options.ts';
import { hasRules, ruleInputs } from './rules.ts';
import type { DecodeRows, Generated } from './sampling.ts';
import { slotsFeed } from './slots.ts';

/** Caches hold one row per beam: token t of a beam lies in row ancestors[t], written when the beam was in that row. */
interface Search {
  input: number;
  row: BeamRow;
  /** [beams], [length] each. */
  ancestors: Int32Array[];
}

/** `rows` are encoder rows here, one per input; every one gets `settings.beams` decoder rows. */
export async function decodeBeams(
  context: DecodeContext, program: Program<'value' | 'id'>, rows: DecodeRows, settings: DecodeSettings,
): Promise<Generated> {
  const { beams, eos, limit } = settings;
  const inputs = rows.memoryRow.length;
  const cacheRows = inputs * beams;
  const searches: Search[] = Array.from({ length: inputs }, (_, input) => ({
    input,
    row: new BeamRow({ beams, eos, maxTokens: limit - 1, earlyStopping: settings.earlyStopping, lengthPenalty: settings.lengthPenalty }),
    ancestors: Array.from({ length: beams }, () => new Int32Array(context.capacity.length)),
  }));
  for (let open = searches; open.length > 0; open = open.filter(({ row }) => !row.ended)) {
    const length = 1 + open[0].row.running[0].tokens.length;
    open.forEach(({ ancestors }, i) => ancestors.forEach((table, beam) => (table[length - 1] = i * beams + beam)));
    const out = await program.run(stepInputs(context, program, open, cacheRows, length, rows, settings));
    const k = out.id.length / (open.length * beams);
    open.forEach(({ row }, i) => row.advance(candidates(out.value, out.id, i * beams * k, beams, k)));
    for (const search of open) search.ancestors = search.row.running.map(({ parent }) => search.ancestors[parent].slice());
  }
  const answers = searches.flatMap(({ row }) => row.best(settings.returned));
  return { sequences: answers.map((a) => a.tokens), scores: Float64Array.from(answers, (a) => a.score) };
}

function candidates(value: ArrayLike<number>, id: ArrayLike<number>, from: number, beams: number, k: number): Candidate[] {
  return Array.from({ length: beams * k }, (_, i) => ({ beam: Math.floor(i / k), token: id[from + i], logProb: value[from + i] }));
}

function stepInputs(
  context: DecodeContext, program: Program<'value' | 'id'>, open: readonly Search[], cacheRows: number, length: number, rows: DecodeRows,
  settings: DecodeSettings,
): RunInputs {
  const { beams, start, eos } = settings;
  const count = open.length * beams;
  const { memoryOffsets, signal } = rows;
  const token = new Int32Array(count);
  const memoryRow = new Int32Array(count);
  const ancestors = new Int32Array(count * context.capacity.length);
  const history = new Int32Array(hasRules(settings.rules) ? ancestors.length : 0);
  open.forEach((search, i) => {
    search.row.running.forEach(({ tokens }, beam) => {
      const r = i * beams + beam;
      token[r] = tokens.at(-1) ?? start;
      memoryRow[r] = rows.memoryRow[search.input];
      ancestors.set(search.ancestors[beam], r * context.capacity.length);
      if (history.length) history.set([start, ...tokens], r * context.capacity.length);
    });
  });
  const slots = slotsFeed(program, 'slots', memoryRow.map((m) => rows.slots[m]));
  const rules = ruleInputs(settings.rules, length === 1);
  return {
    symbols: { R: count, C: cacheRows, E: memoryOffsets.length - 1, T: memoryOffsets[memoryOffsets.length - 1], ...rules.symbols },
    feeds: {
      memoryOffsets, memoryRow, token, length: new Int32Array(count).fill(length), ancestors, ...slots, ...rules.feeds,
      ...(history.length && { history, eos: Int32Array.from(eos) }),
    },
    signal,
  };
}
