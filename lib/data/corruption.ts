/** Masked text and what was masked, in T5's sentinel format (Raffel et al., arXiv 1910.10683, section 3.1.4). */
import { fieldMarkers, FREE_SENTINELS, tokens } from './encoder.ts';
import type { TokenEncoder } from './encoder.ts';
import type { Random } from './random.ts';
import type { Example } from './task.ts';

/** Neither is truncated; `target` ends with the end-of-sequence token. */
export interface Corrupted {
  /** int32: the text with every masked span replaced by the next sentinel. */
  readonly source: Int32Array;
  /** int32: each sentinel followed by what it stands for. */
  readonly target: Int32Array;
}

/** Collects a source and its target, and numbers the spans. */
class SpanWriter {
  private readonly source: number[] = [];
  private readonly target: number[] = [];
  private readonly encoder: TokenEncoder;
  private spans = 0;

  constructor(encoder: TokenEncoder) {
    this.encoder = encoder;
  }

  keep(ids: Iterable<number>): void {
    for (const id of ids) this.source.push(id);
  }

  /** Masks a span; once the sentinels are used up it stays readable. */
  mask(ids: Iterable<number>): void {
    if (this.spans === FREE_SENTINELS) {
      this.keep(ids);
      return;
    }
    const sentinel = this.encoder.sentinelId(this.spans++);
    this.source.push(sentinel);
    this.target.push(sentinel);
    for (const id of ids) this.target.push(id);
  }

  finish(): Corrupted {
    return { source: Int32Array.from(this.source), target: Int32Array.from([...this.target, this.encoder.eosId]) };
  }
}

/** Cuts the source on the right, and from the target the spans whose sentinels went with it. */
export function truncateSource(encoder: TokenEncoder, { source, target }: Corrupted, maxTokens: number): Corrupted {
  const kept = source.slice(0, maxTokens);
  let spans = 0;
  while (spans < FREE_SENTINELS && kept.includes(encoder.sentinelId(spans))) spans++;
  const end = target.indexOf(encoder.sentinelId(spans));
  return { source: kept, target: end < 0 ? target : Int32Array.from([...target.subarray(0, end), encoder.eosId]) };
}

/** Shares of the words that are masked. */
export interface MaskRates {
  input: number;
  answer: number;
}

interface Field {
  readonly marker: number;
  readonly words: readonly string[];
  readonly masked: boolean[];
}

function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

/**
 * Denoising of an example list: whole words of `<x> input <y> answer ...` are masked, neighbours as one span. At least
 * one word of an answer is masked (of an input, where all answers are empty), so there is always something to predict.
 */
export function maskExamples(encoder: TokenEncoder, examples: readonly Example[], rates: MaskRates, rng: Random): Corrupted {
  const { x, y } = fieldMarkers(encoder);
  const field = (marker: number, text: string, rate: number): Field => {
    const words = wordsOf(text);
    return { marker, words, masked: words.map(() => rng.chance(rate)) };
  };
  const fields = examples.flatMap(({ input, output }) => [field(x, input, rates.input), field(y, output, rates.answer)]);
  maskAtLeastOne(fields, y, rng);
  const writer = new SpanWriter(encoder);
  for (const { marker, words, masked } of fields) {
    writer.keep([marker]);
    for (let start = 0, end = 0; start < words.length; start = end) {
      while (end < words.length && masked[end] === masked[start]) end++;
      const ids = tokens(encoder, words.slice(start, end).join(' '));
      if (masked[start]) writer.mask(ids);
      else writer.keep(ids);
    }
  }
  return writer.finish();
}

function maskAtLeastOne(fields: readonly Field[], answerMarker: number, rng: Random): void {
  const answers = fields.filter((field) => field.marker === answerMarker && field.words.length > 0);
  if (answers.some((field) => field.masked.includes(true))) return;
  const candidates = answers.length > 0 ? answers : fields.filter((field) => field.words.length > 0);
  if (candidates.length === 0) return;
  const field = rng.choice(candidates);
  field.masked[rng.int(field.words.length)] = true;
}

/** `parts` positive integers in random order that sum to `total`, every such sequence equally likely. */
function randomSegments(rng: Random, total: number, parts: number): number[] {
  const positions = Array.from({ length: total - 1 }, (_, i) => i + 1);
  const cuts = [0, ...rng.pick(positions, parts - 1).sort((a, b) => a - b), total];
  return cuts.slice(1).map((cut, i) => cut - cuts[i]);
}

/**
 * T5's span corruption: `density` of the ids are masked in spans of `meanSpan` ids on average. Kept and masked spans
 * alternate, starting with a kept one. Fewer than two ids are left as they are.
 */
export function spanCorruption(
  encoder: TokenEncoder,
  ids: Int32Array,
  rng: Random,
  { density = 0.15, meanSpan = 3 }: { density?: number; meanSpan?: number } = {},
): Corrupted {
  const writer = new SpanWriter(encoder);
  if (ids.length < 2) {
    writer.keep(ids);
    return writer.finish();
  }
  const masked = Math.min(Math.max(Math.round(ids.length * density), 1), ids.length - 1);
  const spans = Math.min(Math.max(Math.round(masked / meanSpan), 1), masked, ids.length - masked);
  const maskedLengths = randomSegments(rng, masked, spans);
  const keptLengths = randomSegments(rng, ids.length - masked, spans);
  let at = 0;
  for (let i = 0; i < spans; i++) {
    writer.keep(ids.subarray(at, (at += keptLengths[i])));
    writer.mask(ids.subarray(at, (at += maskedLengths[i])));
  }
  return writer.finish();
}
