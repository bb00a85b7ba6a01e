/**
 * The batches of the training goldens, as the samplers draw them: `tsx test/goldens/training-batches.ts` writes them for the
 * Python side, the test draws them again.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { tokens } from '../../lib/data/encoder.ts';
import { EpisodeSampler } from '../../lib/data/episodes.ts';
import { Universe } from '../../lib/data/families/universe.ts';
import { pack, rowOf, shiftRight } from '../../lib/data/packing.ts';
import { Random } from '../../lib/data/random.ts';
import { TextSampler } from '../../lib/data/text-modes.ts';
import type { TextMode } from '../../lib/data/text-modes.ts';
import { Tokenizer } from '../../lib/tokenizer/tokenizer.ts';
import type { EpisodeRows } from '../../lib/train/objectives.ts';
import { GOLDENS } from './read.ts';

const TOKENIZER = new URL('../tokenizer/fixtures/t5style-4k/tokenizer.json', import.meta.url).pathname;
const EOS = 1;

/** Ids by row; `hyper` and `setOfRow` of what a hypermodel reads. */
export interface RowLists {
  encoder: number[][];
  labels: number[][];
  hyper?: number[][];
  setOfRow?: number[];
}

/** Two batches of every kind; steps take them in turn. */
export async function trainingBatches(): Promise<Record<string, RowLists[]>> {
  const tokenizer = await Tokenizer.fromFile(TOKENIZER);
  const source = new Universe().trained;
  const two = (draw: (step: number) => RowLists) => [draw(0), draw(1)];
  const text = (mode: TextMode) => {
    const sampler = new TextSampler(source, tokenizer, 11, { rows: 4, mix: { [mode]: 1 }, minShots: 2, maxShots: 3, listTokens: 48, queryTokens: 20, maskedTokens: 16, answerTokens: 12 });
    return two((step) => {
      const batch = sampler.batch(step);
      return { encoder: lists(batch.encoderIds, batch.encoderOffsets), labels: lists(batch.labels, batch.decoderOffsets) };
    });
  };
  const episodes = new EpisodeSampler(source, tokenizer, 12, { sets: 2, queriesPerSet: 2, minShots: 2, maxShots: 4, hyperTokens: 40, queryTokens: 20, answerTokens: 10 });
  /** Running text of the generated tasks: a window of `count` tokens. */
  const window = (step: number, row: number, count: number) => {
    const rng = Random.stream(13, 'window', step, row);
    const task = source.draw(rng);
    return tokens(tokenizer, Array.from({ length: count }, () => task.sample(rng).input).join(' ')).slice(0, count);
  };
  return {
    supervised: text('cue'),
    spans: text('none'),
    masked: text('den'),
    // Encoder reads a prefix, decoder continues it (Raffel et al. 2020, section 3.2.1).
    prefixes: two((step) => {
      const rows = [0, 1, 2].map((row) => window(step, row, 20 + 3 * row));
      return { encoder: rows.map((ids) => [...ids.slice(0, 12)]), labels: rows.map((ids) => [...ids.slice(12)]) };
    }),
    episodes: two((step) => {
      const { query, labels, hyper, setOfRow } = episodes.batch(step);
      return { encoder: lists(query.ids, query.offsets), labels: lists(labels.ids, labels.offsets), hyper: lists(hyper.ids, hyper.offsets), setOfRow: [...setOfRow] };
    }),
    // A window is cut into A B C D; the hypermodel reads A and D, the T5 reads B and writes C.
    caclm: two((step) => {
      const rows = [0, 1, 2].map((row) => [...window(step, row, 50)]);
      return { encoder: rows.map((ids) => ids.slice(15, 23)), labels: rows.map((ids) => ids.slice(23, 35)), hyper: rows.map((ids) => [...ids.slice(0, 15), EOS, ...ids.slice(35)]), setOfRow: [0, 1, 2] };
    }),
  };
}

/** As objectives take them. Batches without evidence have none to read. */
export function packed({ encoder, labels, hyper = [], setOfRow = [] }: RowLists): EpisodeRows {
  const rows = (ids: number[][]) => pack(ids.map((row) => Int32Array.from(row)));
  const answers = rows(labels);
  return { encoder: rows(encoder), decoder: shiftRight(answers, 0), labels: answers.ids, hyper: rows(hyper), setOfRow: Int32Array.from(setOfRow) };
}

function lists(ids: Int32Array, offsets: Int32Array): number[][] {
  return Array.from({ length: offsets.length - 1 }, (_, r) => [...rowOf({ ids, offsets }, r)]);
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const batches = await trainingBatches();
  const text = JSON.stringify(batches, null, 1).replace(/\[\s*([\d,\s-]*?)\s*\]/g, (_, inner: string) => `[${inner.replace(/\s*\n\s*/g, ' ')}]`);
  writeFileSync(path.join(GOLDENS, 'training', 'batches.json'), `${text}\n`);
}
