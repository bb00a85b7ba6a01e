/**
 * Episodes whose rows are as long as those of real tasks, or as long as the windows: the words are drawn, the lengths are the point.
 * `public`: each task has the lengths of one of lengths.json, which were counted on public tasks; the tasks themselves are not bundled.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Random } from '../../lib/data/random.ts';
import { LIST_WORDS } from '../../lib/data/families/words.ts';
import { readJson } from '../../lib/files/json.ts';
import { Tokenizer } from '../../lib/tokenizer/tokenizer.ts';
import type { RunConfig } from '../../lib/train/run/config.ts';

/** `config`: the data of the configuration itself. */
export const LENGTHS = ['config', 'public', 'full'] as const;
export type Lengths = (typeof LENGTHS)[number];

interface Counted {
  quantiles: number[];
  /** Of each task, lengths at the quantiles: of its inputs, and of its answers. */
  tasks: [number[], number[]][];
}

const EXAMPLES = 40;
/** Longer than any window. */
const FULL: Counted = { quantiles: [0, 1], tasks: [[[400, 400], [400, 400]]] };

/** The configuration with the data of its episodes replaced, which are written to `folder`. */
export async function withLengths(run: RunConfig, lengths: Lengths, folder: string): Promise<RunConfig> {
  if (lengths === 'config') return run;
  const file = path.join(folder, 'tasks.jsonl');
  const counted = lengths === 'full' ? FULL : ((await readJson(fileURLToPath(new URL('lengths.json', import.meta.url)))) as Counted);
  const tokenizer = await Tokenizer.fromFolder('folder' in run.t5 ? run.t5.folder : run.t5.tokenizer);
  await writeFile(file, tasksOf(counted, LIST_WORDS.filter((word) => tokenizer.encode(word, { addSpecialTokens: false }).length === 1)));
  const data = [{ folder: file, index: null, filter: {}, sampling: { kind: 'equal' as const, cap: null, temperature: 1 }, labels: null, weight: 1 }];
  return { ...run, parts: run.parts.map((part) => (part.kind === 'episodes' ? { ...part, data } : part)) };
}

/** JSON Lines; every word of `words` is one token. */
function tasksOf({ quantiles, tasks }: Counted, words: readonly string[]): string {
  return tasks.flatMap(([input, answer], t) => {
    const rng = Random.stream(t, 'lengths');
    const text = (lengths: readonly number[]) => Array.from({ length: Math.max(1, drawn(rng.float(), quantiles, lengths)) }, () => rng.choice(words)).join(' ');
    return Array.from({ length: EXAMPLES }, () => `${JSON.stringify({ task: `task-${t}`, input: text(input), output: text(answer) })}\n`);
  }).join('');
}

/** The length at probability `p`, between those that were counted. */
function drawn(p: number, quantiles: readonly number[], lengths: readonly number[]): number {
  const after = quantiles.findIndex((q) => q >= p);
  if (after <= 0) return after === 0 ? lengths[0] : lengths[lengths.length - 1];
  const share = (p - quantiles[after - 1]) / (quantiles[after] - quantiles[after - 1]);
  return Math.round(lengths[after - 1] + share * (lengths[after] - lengths[after - 1]));
}
