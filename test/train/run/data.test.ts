import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { CaclmSampler } from '../../../lib/data/caclm.ts';
import { EpisodeSampler } from '../../../lib/data/episodes.ts';
import { Universe } from '../../../lib/data/families/universe.ts';
import { labelViews } from '../../../lib/data/label-views.ts';
import { rowsOfEpisodes, rowsOfText } from '../../../lib/data/rows.ts';
import { openTasks } from '../../../lib/data/open-tasks.ts';
import { mixSources, taskList } from '../../../lib/data/task.ts';
import { TextCorpus } from '../../../lib/data/text-corpus.ts';
import { TextSampler } from '../../../lib/data/text-modes.ts';
import { PrefixLmSampler, SpanCorruptionSampler } from '../../../lib/data/windows.ts';
import { parseParts } from '../../../lib/train/run/config-parts.ts';
import type { PartConfig } from '../../../lib/train/run/config-parts.ts';
import { DataSources } from '../../../lib/train/run/data.ts';
import { Section } from '../../../lib/train/run/section.ts';
import { FakeEncoder } from '../../data/fake-encoder.ts';
import { temporaryFolder } from './support.ts';

const folder = await temporaryFolder();
const encoder = new FakeEncoder();
const WINDOWS = { hyperTokens: 80, queryTokens: 20, answerTokens: 10, queryEos: false };

/** A folder of six tasks of two kinds with an index above it. */
const tasks = path.join(folder, 'tasks');
await mkdir(tasks);
const record = (task: string, input: string, output: string) => `${JSON.stringify({ task, input, output })}\n`;
const numbers = Array.from({ length: 12 }, (_, i) => i);
const lines = (task: string, answer: (i: number) => string) => numbers.map((i) => record(task, `${task} number ${i}`, answer(i))).join('');
await writeFile(path.join(tasks, 'a.jsonl'), ['e1', 'e2', 'e3'].map((task) => lines(task, (i) => `number ${i}`)).join(''));
await writeFile(path.join(tasks, 'b.jsonl'), ['l1', 'l2'].map((task) => lines(task, (i) => ['red', 'green', 'blue'][i % 3])).join('') + lines('closed', () => 'x'));
const info = (task: string, kind: string, licence_class: string, words: number) => ({ task, kind, licence_class, definition: `do ${task}`, mean_input_words: words, mean_output_words: 1 });
await writeFile(path.join(folder, 'index.json'), JSON.stringify([info('e1', 'extract', 'open', 3), info('e2', 'extract', 'open', 3), info('e3', 'extract', 'open', 30), info('l1', 'label', 'open', 3), info('l2', 'label', 'open', 3), info('closed', 'extract', 'nc', 3)]));

function part(json: Record<string, unknown>): PartConfig {
  return parseParts(new Section({ parts: [json] }, 'test', '', ['parts']), 'parts', 3, folder)[0];
}

const FILTER = { licence: 'open', maxInputWords: 20 };
const DATA = [
  { generated: {}, weight: 0.5 },
  { folder: 'tasks', filter: { ...FILTER, kind: 'extract' }, weight: 0.3 },
  { folder: 'tasks', filter: { ...FILTER, kind: 'label' }, labels: { renamed: 0.5, maxClasses: 2 }, weight: 0.2 },
];

/** The same sources by hand. */
async function sourceByHand() {
  const { tasks: real } = await openTasks(tasks, { keep: (t) => t.licence_class === 'open' && t.mean_input_words! <= 20 });
  const of = (kind: string) => taskList(real.filter((t) => t.info.kind === kind));
  return mixSources([{ source: new Universe().trained, weight: 0.5 }, { source: of('extract'), weight: 0.3 }, { source: labelViews(of('label'), () => true, { renamed: 0.5, maxClasses: 2 }), weight: 0.2 }]);
}

test('a text part draws what the sampler draws from the same sources', async () => {
  const config = part({ kind: 'text', rows: 8, mix: { den: 0.5, cue: 0.25, induce: 0.15, none: 0.1 }, queryTokens: 56, seed: 1001, data: DATA });
  const data = await new DataSources(encoder).open(config, undefined);
  const sampler = new TextSampler(await sourceByHand(), encoder, 1001, { rows: 8, queryTokens: 56, mix: { den: 0.5, cue: 0.25, induce: 0.15, none: 0.1 } });
  for (const step of [0, 1, 17]) expect(data.batch(step, 0)).toEqual(rowsOfText(sampler.batch(step)));
  expect(data.batch(0, 1)).not.toEqual(data.batch(0, 0));
  expect(data.capacity).toEqual({ rows: 8, encoderTokens: 8 * 150, decoderTokens: 8 * 64 });
});

test('an episodes part takes its windows from the hypermodel', async () => {
  const config = part({ kind: 'episodes', sets: 3, queriesPerSet: 2, minShots: 3, maxShots: 5, data: DATA });
  const data = await new DataSources(encoder).open(config, WINDOWS);
  const sampler = new EpisodeSampler(await sourceByHand(), encoder, 3, { sets: 3, queriesPerSet: 2, minShots: 3, maxShots: 5, ...WINDOWS });
  for (const step of [0, 5]) expect(data.batch(step, 0)).toEqual(rowsOfEpisodes(sampler.batch(step)));
  expect(data.capacity).toEqual({ rows: 6, encoderTokens: 6 * 20, decoderTokens: 6 * 10, sets: 3, hyperTokens: 3 * 80 });
});

test('parts on running text draw from all its files, and never pass their capacity', async () => {
  const texts = path.join(folder, 'texts');
  await mkdir(texts);
  const words = (n: number) => Array.from({ length: n }, (_, i) => `w${i}`).join(' ');
  await writeFile(path.join(texts, 'one.txt'), `${words(40)}\n${words(5)}\n${words(60)}\n`);
  await writeFile(path.join(texts, 'two.jsonl'), `${JSON.stringify({ text: words(50) })}\nbroken\n`);
  const sources = new DataSources(encoder);
  const corpus = await TextCorpus.open([path.join(texts, 'one.txt'), path.join(texts, 'two.jsonl')], encoder);
  const data = [{ text: 'texts' }];
  const sizes = { rows: 4, windowTokens: 40, queryTokens: 6, answerTokens: 8, sideTokens: 4, minDocumentTokens: 30 };
  const cases = [
    { opened: await sources.open(part({ kind: 'span', rows: 4, encoderTokens: 30, data }), undefined), sampler: new SpanCorruptionSampler(corpus, encoder, 3, { rows: 4, encoderTokens: 30 }) },
    { opened: await sources.open(part({ kind: 'prefix-lm', rows: 4, windowTokens: 30, data }), undefined), sampler: new PrefixLmSampler(corpus, encoder, 3, { rows: 4, windowTokens: 30 }) },
    { opened: await sources.open(part({ kind: 'caclm', ...sizes, data }), WINDOWS), sampler: new CaclmSampler(corpus, encoder, 3, sizes) },
  ];
  for (const { opened, sampler } of cases) {
    for (let step = 0; step < 20; step++) {
      const batch = opened.batch(step, 0);
      expect(batch).toEqual(sampler.batch(step));
      const { rows, encoderTokens, decoderTokens } = opened.capacity;
      expect([batch.encoder.offsets.length - 1 <= rows, batch.encoder.ids.length <= encoderTokens, batch.decoder.ids.length <= decoderTokens]).toEqual([true, true, true]);
      if (opened.hyper) expect(opened.batch(step, 0).hyper.ids.length).toBeLessThanOrEqual(opened.capacity.hyperTokens);
    }
  }
  expect(sources.notes).toEqual([expect.stringMatching(/texts: 1 lines cannot be read and are left out; the first: .*two\.jsonl:2/), 'part caclm: 1 documents have fewer than 30 tokens and are left out.']);
});

test('tasks can be drawn by size', async () => {
  const uneven = path.join(folder, 'uneven');
  await mkdir(uneven);
  await writeFile(path.join(uneven, 'big.jsonl'), Array.from({ length: 90 }, (_, i) => record('big', `b ${i}`, 'B')).join(''));
  await writeFile(path.join(uneven, 'small.jsonl'), Array.from({ length: 10 }, (_, i) => record('small', `s ${i}`, 'S')).join(''));
  const share = async (sampling: object) => {
    const data = await new DataSources(encoder).open(part({ kind: 'text', rows: 400, mix: { none: 1 }, data: [{ folder: 'uneven', sampling }] }), undefined);
    const { encoder: { ids, offsets } } = data.batch(0, 0);
    const [b] = encoder.encode('b');
    return Array.from({ length: 400 }, (_, r) => ids.subarray(offsets[r], offsets[r + 1]).includes(b)).filter(Boolean).length / 400;
  };
  // Four standard deviations of a share of 400 draws are at most 0.1.
  expect(Math.abs((await share({})) - 0.5)).toBeLessThan(0.1);
  expect(Math.abs((await share({ kind: 'proportional' })) - 0.9)).toBeLessThan(0.1);
  expect(Math.abs((await share({ kind: 'proportional', cap: 30 })) - 0.75)).toBeLessThan(0.1);
  expect(Math.abs((await share({ kind: 'temperature', temperature: 2 })) - 0.75)).toBeLessThan(0.1);
  // Two templates of one data set: the larger counts as floor(16 / 2), the smaller, below the cap, fully.
  await writeFile(path.join(uneven, 'index.json'), JSON.stringify(['big', 'small'].map((task) => ({ task, cluster: 'one' }))));
  expect(Math.abs((await share({ kind: 't0', cap: 16 })) - 8 / 18)).toBeLessThan(0.1);
});

test('what is left out of a folder is noted, and a source without tasks is refused', async () => {
  const odd = path.join(folder, 'odd');
  await mkdir(odd);
  await writeFile(path.join(odd, 'good.jsonl'), numbers.map((i) => record('good', `in ${i}`, `out ${i}`)).join('') + '{"task": "good", "input": 3}\n');
  await writeFile(path.join(odd, 'single.jsonl'), record('single', 'one', 'two'));
  await writeFile(path.join(odd, 'few.jsonl'), record('few', 'one', 'two') + record('few', 'three', 'four'));
  const sources = new DataSources(encoder);
  const data = await sources.open(part({ kind: 'episodes', sets: 2, queriesPerSet: 2, data: [{ folder: 'odd' }] }), WINDOWS);
  expect(data.batch(0, 0).encoder.ids.length).toBeGreaterThan(0);
  expect(sources.notes).toEqual([
    expect.stringMatching(/odd: 1 of 16 records cannot be read and are left out; the first: .*good\.jsonl:13: field "input"/),
    expect.stringMatching(/odd: task single has fewer than two different inputs and is left out\./),
    expect.stringMatching(/odd: task few has too few examples/),
  ]);
  await expect(sources.open(part({ kind: 'text', data: [{ folder: 'odd', filter: { maxInputWords: 0.5 } }] }), undefined)).rejects.toMatchObject({ code: 'CONFIG_INVALID', field: 'filter' });
  await expect(sources.open(part({ kind: 'text', data: [{ folder: 'nowhere' }] }), undefined)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  await expect(sources.open(part({ kind: 'span', data: [{ text: 'nowhere' }] }), undefined)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
});
