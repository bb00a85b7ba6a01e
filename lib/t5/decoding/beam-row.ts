/**
 * Beam search over one input, with the bookkeeping of transformers' `generate`: the running beams, the best finished
 * answers, and when to end. Scores are rounded to single precision where transformers' are.
 */

/** What transformers adds to a score to take it out of a choice. */
const OUT = -1e9;

export interface BeamSettings {
  beams: number;
  eos: readonly number[];
  /** Generated tokens at which an answer ends. */
  maxTokens: number;
  earlyStopping: boolean | 'never';
  lengthPenalty: number;
}

/** A continuation that the model offers: token after running beam `beam`. */
export interface Candidate {
  beam: number;
  token: number;
  logProb: number;
}

export interface Beam {
  tokens: readonly number[];
  score: number;
  /** Running beam of the step before that it continues. */
  parent: number;
}

interface Answer {
  tokens: readonly number[];
  score: number;
  finished: boolean;
}

/** Candidates to take from each step, so that `beams` remain however many of them end. */
export function candidatesKept({ beams, eos }: { beams: number; eos: readonly number[] }): number {
  return Math.max(2, 1 + eos.length) * beams;
}

export class BeamRow {
  /** By falling score. */
  running: Beam[];
  /** Whether the answers are final. */
  ended = false;
  private readonly settings: BeamSettings;
  private answers: Answer[];
  private improvable = true;

  constructor(settings: BeamSettings) {
    this.settings = settings;
    // All beams start equal: only the first may offer continuations, or every beam would hold the same answer.
    this.running = Array.from({ length: settings.beams }, (_, beam) => ({ tokens: [], score: beam ? OUT : 0, parent: beam }));
    this.answers = Array.from({ length: settings.beams }, () => ({ tokens: [], score: OUT, finished: false }));
  }

  /** The best answers, best first. */
  best(count: number): { tokens: Int32Array; score: number }[] {
    return this.answers.slice(0, count).map(({ tokens, score }) => ({ tokens: Int32Array.from(tokens), score }));
  }

  /** Takes one step's candidates: for every beam its likeliest tokens, beams in order, likeliest first. */
  advance(candidates: readonly Candidate[]): void {
    const { beams, eos, maxTokens } = this.settings;
    const length = this.running[0].tokens.length + 1;
    const scored = candidates.map((c) => ({ ...c, score: Math.fround(c.logProb + this.running[c.beam].score) }));
    const kept = highest(scored, candidatesKept(this.settings)).map(({ beam, token, score }) => ({
      beam: { tokens: [...this.running[beam].tokens, token], score, parent: beam },
      ends: eos.includes(token) || length >= maxTokens,
    }));
    this.finish(kept, length);
    this.running = highest(kept.map(({ beam, ends }) => ({ ...beam, score: ends ? Math.fround(beam.score + OUT) : beam.score })), beams);
    this.improvable &&= this.canImprove(length);
    const full = this.settings.earlyStopping === true && this.answers.every((a) => a.finished);
    this.ended = !this.improvable || full || kept.every(({ ends }) => ends);
  }

  /** Only what ends among the `beams` best candidates becomes an answer; the others are there to be continued. */
  private finish(kept: readonly { beam: Beam; ends: boolean }[], length: number): void {
    const { beams } = this.settings;
    const divisor = this.divisor(length);
    const ended = kept.slice(0, beams).filter(({ ends }) => ends);
    const found = ended.map(({ beam }) => ({ tokens: beam.tokens, score: Math.fround(beam.score / divisor), finished: true }));
    this.answers = highest([...this.answers, ...found], beams);
  }

  /** Whether the best running beam could still pass the worst answer, by the estimate that `earlyStopping` asks for. */
  private canImprove(length: number): boolean {
    const { earlyStopping, lengthPenalty, maxTokens } = this.settings;
    const estimated = earlyStopping === 'never' && lengthPenalty > 0 ? maxTokens : length;
    const possible = Math.fround(this.running[0].score / this.divisor(estimated));
    const worst = this.answers.every((a) => a.finished) ? this.answers[this.answers.length - 1].score : OUT;
    return possible > worst;
  }

  private divisor(length: number): number {
    return Math.fround(length ** this.settings.lengthPenalty);
  }
}

/** The `count` elements of highest score, highest first, ties in the order given. */
function highest<T extends { score: number }>(items: readonly T[], count: number): T[] {
  return [...items].sort((a, b) => (a.score === b.score ? 0 : b.score - a.score)).slice(0, count);
}
