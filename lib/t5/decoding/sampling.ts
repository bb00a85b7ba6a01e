/** Greedy decoding and sampling: the step program runs many steps per native call, all state stays on the device. */
import type { Program } from '../../graph/index.ts';
import type { DecodeContext } from './context.ts';
import type { DecodeSettings } from './options.ts';
import { ruleInputs } from './rules.ts';
import { slotsFeed } from './slots.ts';

/** Steps per native call where nobody watches single tokens. */
const REPLAYS = 16;

/** Rows to decode against what a context's encode program has left there. */
export interface DecodeRows {
  /** [E+1] */
  memoryOffsets: Int32Array;
  /** [R]: encoder row of each decoder row. */
  memoryRow: Int32Array;
  /** [R] */
  slots: Int32Array;
  signal?: AbortSignal;
}

export interface Generated {
  /** Without the start token, with the end token where there is one. */
  sequences: Int32Array[];
  /** Sum of log p of a row's tokens; beam search: that, by length to the power of lengthPenalty. */
  scores: Float64Array;
  /** log p of each token after the rules, before temperature, top-k and top-p. */
  logProbs?: Float32Array[];
}

/** `onStep` gets each step's tokens, one per row, pad for rows that have ended; the next step waits for it to return. */
export async function decodeSamples(
  context: DecodeContext, program: Program<'next' | 'logp' | 'stop'>, rows: DecodeRows, settings: DecodeSettings,
  onStep?: (tokens: Int32Array) => void,
): Promise<Generated> {
  const { memoryOffsets, memoryRow, slots, signal } = rows;
  const count = memoryRow.length;
  await begin(context, count, settings.start);
  const shared = {
    memoryOffsets, memoryRow, ...slotsFeed(program, 'slots', slots), eos: Int32Array.from(settings.eos), params: samplingParams(settings, count),
    seed: settings.sampling?.seeds ?? new Int32Array(2 * count),
  };
  const sizes = { R: count, C: count, E: memoryOffsets.length - 1, T: memoryOffsets[memoryOffsets.length - 1] };
  const tokens = new Int32Array(count * (settings.limit - 1));
  const logProbs = new Float32Array(tokens.length);
  for (let made = 0; made < settings.limit - 1; ) {
    const single = onStep || (made === 0 && settings.rules.beginSuppress.length > 0);
    const rules = ruleInputs(settings.rules, made === 0);
    const out = await program.run({
      symbols: { ...sizes, ...rules.symbols }, feeds: { ...shared, ...rules.feeds }, signal,
      repeat: single ? 1 : Math.min(REPLAYS, settings.limit - 1 - made),
    });
    tokens.set(out.next, made * count);
    logProbs.set(out.logp, made * count);
    made += out.steps;
    onStep?.(out.next as Int32Array);
    if (out.stop[out.steps - 1]) break;
  }
  const lengths = await context.engine.read(context.length, 0, count);
  const row = <A extends Int32Array | Float32Array>(steps: A, r: number) =>
    steps.subarray(0, lengths[r] - 1).map((_, step) => steps[step * count + r]) as A;
  const sequences = Array.from(memoryRow, (_, r) => row(tokens, r));
  const perToken = sequences.map((_, r) => row(logProbs, r));
  return { sequences, logProbs: perToken, scores: Float64Array.from(perToken, (row) => row.reduce((sum, p) => sum + p, 0)) };
}

/** Every row holds the start token and is open. */
async function begin({ engine, capacity, token, length, done, history }: DecodeContext, count: number, start: number): Promise<void> {
  const starts = new Int32Array(count * capacity.length);
  for (let r = 0; r < count; r++) starts[r * capacity.length] = start;
  await Promise.all([
    engine.write(token, new Int32Array(count).fill(start)),
    engine.write(length, new Int32Array(count).fill(1)),
    engine.write(done, new Int32Array(count)),
    engine.write(history, starts),
  ]);
}

/** [rows, 4]: temperature (0: greedy), top-k, top-p, limit on length. */
function samplingParams({ sampling, limit }: DecodeSettings, count: number): Float32Array {
  const row = sampling ? [sampling.temperature, sampling.topK, sampling.topP, limit] : [0, 0, 1, limit];
  return Float32Array.from({ length: 4 * count }, (_, i) => row[i % 4]);
}
