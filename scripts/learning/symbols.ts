/**
 * Eight tasks over the same six symbols and the same six answers: which answer belongs to which symbol is only in the evidence.
 * A hypermodel that reads it answers right; given another task's evidence, it answers as that task would.
 */
import { EpisodeSampler, drawEpisode } from '../../lib/data/episodes.ts';
import { LABEL_WORDS, LIST_WORDS } from '../../lib/data/families/words.ts';
import { rowsOfEpisodes } from '../../lib/data/rows.ts';
import { Random } from '../../lib/data/random.ts';
import { poolTask, taskList } from '../../lib/data/task.ts';
import type { Bound } from './report.ts';
import { loadTrained, startHypermodel, trainSteps } from './train.ts';

const [TASKS, SYMBOLS, SHOTS, EPISODES, STEPS] = [8, 6, 4, 4, 400];
const WINDOW = { hyperTokens: 64, queryTokens: 8, answerTokens: 8 };

export async function learnSymbols(folder: string): Promise<Bound[]> {
  const rng = Random.stream(1, 'symbols');
  const symbols = rng.pick(LIST_WORDS, SYMBOLS);
  const answers = rng.pick(LABEL_WORDS, SYMBOLS);
  const maps = Array.from({ length: TASKS }, () => rng.shuffle(answers));
  const tasks = maps.map((map, i) => poolTask(`symbols/${i}`, symbols.map((input, s) => ({ input, output: map[s] }))));

  const training = await startHypermodel(folder, 'lora', WINDOW);
  const sampler = new EpisodeSampler(taskList(tasks), training.tokenizer, 1, { sets: 16, queriesPerSet: 2, minShots: SHOTS, maxShots: SHOTS, ...WINDOW });
  await trainSteps(training, STEPS, (step) => rowsOfEpisodes(sampler.batch(step)));
  const model = await loadTrained(folder, training);
  await training.engine.dispose();

  const episodes = tasks.flatMap((task) => Array.from({ length: EPISODES }, () => drawEpisode(task, SHOTS, SYMBOLS - SHOTS, rng)));
  const adapters = await model.adaptAll(episodes.map(({ evidence }) => evidence));
  const accuracy = async (adapterOf: (episode: number) => number) => {
    let right = 0;
    for (const [i, { queries }] of episodes.entries()) {
      const given = await model.generate(queries.map(({ input }) => input), { adapter: adapters[adapterOf(i)] });
      right += given.filter((text, q) => text === queries[q].output).length;
    }
    return right / episodes.length / (SYMBOLS - SHOTS);
  };
  const own = await accuracy((i) => i);
  // Every episode with an episode of each other task.
  const others = await Promise.all(Array.from({ length: TASKS - 1 }, (_, shift) => accuracy((i) => (i + (shift + 1) * EPISODES) % episodes.length)));
  const wrong = others.reduce((a, b) => a + b, 0) / others.length;
  await model.dispose();
  // What a model gives that takes the evidence at its word: the share of symbols on which two different tasks agree.
  const agree = maps.flatMap((a, i) => maps.flatMap((b, j) => (i === j ? [] : [a.filter((x, s) => x === b[s]).length / SYMBOLS])));
  const chance = agree.reduce((x, y) => x + y, 0) / agree.length;
  return [
    { name: 'symbols: accuracy with right evidence', value: own, above: 0.95 },
    { name: "symbols: accuracy with another task's evidence", value: wrong, above: chance - 0.1, below: chance + 0.1 },
  ];
}
