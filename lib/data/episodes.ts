/**
 * Hypertuning episodes (Phang et al., arXiv 2211.12485, multi-task fine-tuning): K examples of a task are the evidence
 * that the hypermodel reads, m other examples of the same task are queries that the frozen T5 answers with what the
 * hypermodel made of the evidence.
 */
import { HypertuneError } from '../engine/errors.ts';
import type { TokenEncoder } from './encoder.ts';
import { answerLabels, hyperInput, queryInput, requirePositiveInteger } from './hyper-input.ts';
import { pack, shiftRight } from './packing.ts';
import type { Packed } from './packing.ts';
import { batchStream } from './random.ts';
import type { Random } from './random.ts';
import { drawDistinct } from './task.ts';
import type { Example, Task, TaskSource } from './task.ts';

export interface Episode {
  readonly task: Pick<Task, 'id' | 'description'>;
  readonly evidence: readonly Example[];
  readonly queries: readonly Example[];
  /** The task had fewer examples than were asked for. */
  readonly short?: boolean;
}

/** How texts become rows of ids. */
export interface EpisodeFormat {
  /** Longest hyper input, query and answer, in tokens. */
  hyperTokens: number;
  queryTokens: number;
  answerTokens: number;
  /** End queries with the end-of-sequence token, as Hugging Face's T5 tokenizers do. */
  queryEos: boolean;
  /** Put the task's description in front of the evidence. */
  useDescription: boolean;
}

/**
 * - `shots`: K random examples
 * - `definition`: the task's description alone (Super-NaturalInstructions, "Def")
 * - `positives`: the description and the first two of the fixed examples that come with the task ("Def + 2 Pos")
 */
export type EvidenceKind = 'shots' | 'definition' | 'positives';

export interface EpisodeOptions extends EpisodeFormat {
  /** Default `shots`. The hyper inputs of the others begin with the description, whatever `useDescription` says. */
  evidence?: EvidenceKind;
  /** Evidence sets per batch. */
  sets: number;
  /** K is uniform in minShots .. maxShots. */
  minShots: number;
  maxShots: number;
  queriesPerSet: number;
}

export const DEFAULT_EPISODES: EpisodeOptions = {
  sets: 16,
  minShots: 4,
  maxShots: 8,
  queriesPerSet: 6,
  hyperTokens: 150,
  queryTokens: 40,
  answerTokens: 24,
  queryEos: false,
  useDescription: false,
};

/** What of the texts did not reach the batch. */
export interface EpisodeReport {
  /** Examples that are in the hyper inputs. */
  shots: number;
  /** Examples left out because the window was full. */
  droppedShots: number;
  /** Sets whose first example was cut. */
  truncatedShots: number;
  truncatedQueries: number;
  truncatedAnswers: number;
  /** Sets of tasks that have fewer examples than were asked for. */
  shortSets: number;
}

export interface EpisodeBatch {
  /** One row per evidence set. */
  readonly hyper: Packed;
  /** One row per query; the rows of a set are neighbours. */
  readonly query: Packed;
  /** `labels` shifted right behind the padding id, T5's start token; same offsets. */
  readonly decoder: Packed;
  /** Answer and end-of-sequence token, one row per query. */
  readonly labels: Packed;
  /** int32 [query rows]: the evidence set, a row of `hyper`, of each query. */
  readonly setOfRow: Int32Array;
  /** Task id of each set. */
  readonly tasks: readonly string[];
  readonly report: EpisodeReport;
}

/** Packs given episodes, e.g. for an evaluation. Throws EXAMPLES_EMPTY for a set without evidence. */
export function packEpisodes(
  encoder: TokenEncoder,
  episodes: readonly Episode[],
  format: Partial<EpisodeFormat> = {},
): EpisodeBatch {
  const { hyperTokens, queryTokens, answerTokens, queryEos, useDescription } = { ...DEFAULT_EPISODES, ...format };
  const report: EpisodeReport = {
    shots: 0,
    droppedShots: 0,
    truncatedShots: 0,
    truncatedQueries: 0,
    truncatedAnswers: 0,
    shortSets: 0,
  };
  const hyperRows: Int32Array[] = [];
  const queryRows: Int32Array[] = [];
  const labelRows: Int32Array[] = [];
  const setOfRow: number[] = [];
  for (const [set, { task, evidence, queries, short }] of episodes.entries()) {
    const definition = useDescription ? task.description : undefined;
    const hyper = hyperInput(encoder, evidence, { maxTokens: hyperTokens, definition });
    hyperRows.push(hyper.ids);
    report.shortSets += Number(short ?? false);
    report.shots += hyper.used;
    report.droppedShots += hyper.dropped;
    report.truncatedShots += Number(hyper.truncated);
    for (const example of queries) {
      const query = queryInput(encoder, example.input, { maxTokens: queryTokens, eos: queryEos });
      const answer = answerLabels(encoder, example.output, { maxTokens: answerTokens });
      queryRows.push(query.ids);
      labelRows.push(answer.ids);
      setOfRow.push(set);
      report.truncatedQueries += Number(query.truncated);
      report.truncatedAnswers += Number(answer.truncated);
    }
  }
  const labels = pack(labelRows);
  return {
    hyper: pack(hyperRows),
    query: pack(queryRows),
    decoder: shiftRight(labels, encoder.padId),
    labels,
    setOfRow: Int32Array.from(setOfRow),
    tasks: episodes.map((episode) => episode.task.id),
    report,
  };
}

/**
 * Evidence and queries with pairwise different inputs. A task with too few examples gives a smaller episode, evidence
 * first but always one query. Throws EXAMPLES_EMPTY for a task with a single input.
 */
export function drawEpisode(task: Task, shots: number, queries: number, rng: Random): Episode {
  const examples = drawDistinct(task, shots + queries, rng);
  if (examples.length < 2) {
    throw new HypertuneError('EXAMPLES_EMPTY', `task ${task.id} has ${examples.length} different input, an episode needs 2`, {
      field: 'examples',
    });
  }
  const split = Math.min(shots, examples.length - 1);
  const short = examples.length < shots + queries;
  return { task, evidence: examples.slice(0, split), queries: examples.slice(split), short };
}

const FIXED_POSITIVES = 2;

/**
 * The task's own description and, for `positives`, its fixed examples as evidence; queries with other inputs. Short where a
 * task lacks queries or fixed examples. Throws EXAMPLES_EMPTY for a task without description.
 */
export function definedEpisode(task: Task, evidence: Exclude<EvidenceKind, 'shots'>, queries: number, rng: Random): Episode {
  if (task.description === '') {
    throw new HypertuneError('EXAMPLES_EMPTY', `task ${task.id} has no description to be evidence`, { field: 'evidence' });
  }
  const fixed = evidence === 'positives' ? (task.positives ?? []).slice(0, FIXED_POSITIVES) : [];
  const shown = new Set(fixed.map(({ input }) => input));
  const drawn = drawDistinct(task, queries + fixed.length, rng).filter(({ input }) => !shown.has(input)).slice(0, queries);
  const short = drawn.length < queries || (evidence === 'positives' && fixed.length < FIXED_POSITIVES);
  return { task, evidence: fixed, queries: drawn, short };
}

/** Batches as a pure function of (seed, step, microbatch): a resumed run sees the data it would have seen. */
export class EpisodeSampler {
  readonly options: EpisodeOptions;
  private readonly source: TaskSource;
  private readonly encoder: TokenEncoder;
  private readonly seed: number;

  /** Throws ARGUMENT_RANGE for counts and windows that are not positive integers, or minShots > maxShots. */
  constructor(source: TaskSource, encoder: TokenEncoder, seed: number, options: Partial<EpisodeOptions> = {}) {
    this.options = { ...DEFAULT_EPISODES, ...options };
    const { sets, minShots, maxShots, queriesPerSet, hyperTokens, queryTokens, answerTokens } = this.options;
    for (const [field, value] of Object.entries({ sets, minShots, queriesPerSet, hyperTokens, queryTokens, answerTokens })) {
      requirePositiveInteger(value, field);
    }
    requireShotRange(minShots, maxShots);
    this.source = source;
    this.encoder = encoder;
    this.seed = seed;
  }

  /** The episodes of a step, as texts. */
  episodes(step: number, micro = 0): Episode[] {
    const { sets, minShots, maxShots, queriesPerSet, evidence = 'shots' } = this.options;
    const rng = batchStream(this.seed, 'episodes', step, micro);
    return Array.from({ length: sets }, () => {
      const task = this.source.draw(rng);
      if (evidence !== 'shots') return definedEpisode(task, evidence, queriesPerSet, rng);
      return drawEpisode(task, rng.between(minShots, maxShots), queriesPerSet, rng);
    });
  }

  batch(step: number, micro = 0): EpisodeBatch {
    const { evidence = 'shots' } = this.options;
    const useDescription = this.options.useDescription || evidence !== 'shots';
    return packEpisodes(this.encoder, this.episodes(step, micro), { ...this.options, useDescription });
  }
}

export function requireShotRange(minShots: number, maxShots: number): void {
  if (!Number.isInteger(maxShots) || maxShots < minShots) {
    throw new HypertuneError('ARGUMENT_RANGE', `expected an integer of at least minShots = ${minShots}, got ${maxShots}`, {
      field: 'maxShots',
    });
  }
}
