/** From a configuration's sources to batches: the only place where a run meets the data readers and samplers. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { CaclmSampler, withoutEvidence } from '../../data/caclm.ts';
import type { CaclmControls } from '../../data/caclm.ts';
import type { TokenEncoder } from '../../data/encoder.ts';
import { EpisodeSampler } from '../../data/episodes.ts';
import { Universe } from '../../data/families/universe.ts';
import { labelViews } from '../../data/label-views.ts';
import { openTasks } from '../../data/open-tasks.ts';
import { rowsOfEpisodes, rowsOfText } from '../../data/rows.ts';
import { proportionalWeights, t0Weights, temperatureWeights, weightedTasks } from '../../data/sampling.ts';
import type { FolderTask } from '../../data/task-collector.ts';
import type { TaskReport } from '../../data/task-report.ts';
import { mixSources, taskList } from '../../data/task.ts';
import type { Task, TaskSource } from '../../data/task.ts';
import { TextCorpus } from '../../data/text-corpus.ts';
import { TextSampler } from '../../data/text-modes.ts';
import { PrefixLmSampler, SpanCorruptionSampler } from '../../data/windows.ts';
import { HypertuneError } from '../../engine/errors.ts';
import { fileError } from '../../files/io.ts';
import type { BatchCapacity, EpisodeRows, TextRows } from '../objectives.ts';
import type { CorpusSource, FolderSource, GeneratedSource, TaskFilter, TaskSampling } from './config-data.ts';
import { rowsOf } from './config-parts.ts';
import type { CaclmPart, EpisodesPart, PartConfig } from './config-parts.ts';

/** Windows of an episode, in tokens, and the end of its queries. */
export interface Windows {
  hyperTokens: number;
  queryTokens: number;
  answerTokens: number;
  queryEos: boolean;
}

/** Batches of one part as a pure function of step and microbatch, and the sizes they never pass. */
export type PartData =
  | { hyper: false; capacity: BatchCapacity; batch: (step: number, microbatch: number) => TextRows }
  | { hyper: true; capacity: BatchCapacity & { sets: number; hyperTokens: number }; batch: (step: number, microbatch: number) => EpisodeRows; controls?: ControlData };

/** CACLM's controls of each batch; `capacity` is that of the T5's own rows. */
export interface ControlData {
  capacity: BatchCapacity;
  batch: (step: number, microbatch: number) => CaclmControls;
}

/** Opens each folder, text and universe once, whatever the number of parts that draw from it. */
export class DataSources {
  /** What was left out of the data and why, in sentences. */
  readonly notes: string[] = [];
  private readonly encoder: TokenEncoder;
  private readonly folders = new Map<string, Promise<FolderTask[]>>();
  private readonly universes = new Map<string, Promise<Universe>>();
  private readonly texts = new Map<string, Promise<TextCorpus>>();

  constructor(encoder: TokenEncoder) {
    this.encoder = encoder;
  }

  /** `windows`: the hypermodel's. Throws FILE_* and EXAMPLES_EMPTY for data that cannot be used, CONFIG_INVALID for a source left without tasks. */
  async open(part: PartConfig, windows: Windows | undefined): Promise<PartData> {
    const { encoder } = this;
    const { seed } = part;
    const rows = rowsOf(part);
    switch (part.kind) {
      case 'text': {
        const sampler = new TextSampler(await this.tasks(part), encoder, seed, part);
        const { listTokens, queryTokens, maskedTokens, answerTokens } = part;
        const longest = part.mix.icl ? listTokens + queryTokens : Math.max(listTokens, queryTokens);
        return { hyper: false, capacity: { rows, encoderTokens: rows * longest, decoderTokens: rows * Math.max(maskedTokens, answerTokens) }, batch: (step, m) => rowsOfText(sampler.batch(step, m)) };
      }
      case 'span': {
        const sampler = new SpanCorruptionSampler(await this.corpus(part), encoder, seed, part);
        return { hyper: false, capacity: { rows, encoderTokens: rows * part.encoderTokens, decoderTokens: rows * sampler.lengths.target }, batch: (step, m) => sampler.batch(step, m) };
      }
      case 'prefix-lm': {
        const sampler = new PrefixLmSampler(await this.corpus(part), encoder, seed, part);
        return { hyper: false, capacity: { rows, encoderTokens: rows * part.windowTokens, decoderTokens: rows * part.windowTokens }, batch: (step, m) => sampler.batch(step, m) };
      }
      case 'caclm':
        return this.caclm(part);
      case 'episodes':
        return this.episodes(part, windows!);
    }
  }

  private async episodes(part: EpisodesPart, windows: Windows): Promise<PartData> {
    const hyperTokens = part.hyperTokens ?? windows.hyperTokens;
    const queryTokens = part.queryTokens ?? windows.queryTokens;
    const answerTokens = part.answerTokens ?? windows.answerTokens;
    const { sets, queriesPerSet, minShots, maxShots, useDescription, evidence } = part;
    const sampler = new EpisodeSampler(await this.tasks(part), this.encoder, part.seed, { sets, queriesPerSet, minShots, maxShots, useDescription, evidence, hyperTokens, queryTokens, answerTokens, queryEos: windows.queryEos });
    const rows = rowsOf(part);
    return { hyper: true, capacity: { rows, encoderTokens: rows * queryTokens, decoderTokens: rows * answerTokens, sets, hyperTokens: sets * hyperTokens }, batch: (step, m) => rowsOfEpisodes(sampler.batch(step, m)) };
  }

  private async caclm(part: CaclmPart): Promise<PartData> {
    const { rows, windowTokens, queryTokens, answerTokens } = part;
    const sampler = new CaclmSampler(await this.corpus(part), this.encoder, part.seed, { rows, windowTokens, queryTokens, answerTokens, sideTokens: part.sideTokens, minDocumentTokens: part.minDocumentTokens });
    if (sampler.skipped) this.notes.push(`part ${part.name}: ${sampler.skipped} documents have fewer than ${part.minDocumentTokens} tokens and are left out.`);
    const hyperTokens = rows * (windowTokens - queryTokens - answerTokens + 1);
    const batch = (step: number, m: number) => (part.evidence === 'none' ? withoutEvidence(sampler.batch(step, m), this.encoder.eosId) : sampler.batch(step, m));
    const capacity = { rows, encoderTokens: rows * queryTokens, decoderTokens: rows * answerTokens };
    const controls = { capacity: { ...capacity, encoderTokens: rows * windowTokens }, batch: (step: number, m: number) => sampler.controls(step, m) };
    return { hyper: true, capacity: { ...capacity, sets: rows, hyperTokens }, batch, ...(part.evidence === 'own' && { controls }) };
  }

  private async tasks(part: PartConfig): Promise<TaskSource> {
    const shots = 'maxShots' in part ? part.maxShots : 1;
    const described = part.kind === 'episodes' && part.evidence !== 'shots';
    const sources: { source: TaskSource; weight: number }[] = [];
    for (const config of part.data as (GeneratedSource | FolderSource)[]) sources.push({ source: 'folder' in config ? await this.folder(config, shots, described) : await this.generated(config), weight: config.weight });
    return sources.length === 1 ? sources[0].source : mixSources(sources);
  }

  private async generated({ generated: options, heldOut }: GeneratedSource): Promise<TaskSource> {
    const key = JSON.stringify(options);
    if (!this.universes.has(key)) this.universes.set(key, Universe.open(options));
    const universe = (await this.universes.get(key))!;
    return heldOut ? universe.heldOutOf(heldOut) : universe.trained;
  }

  private async folder({ folder, index, filter, sampling, labels }: FolderSource, shots: number, described: boolean): Promise<TaskSource> {
    const key = `${folder}\n${index}`;
    if (!this.folders.has(key)) this.folders.set(key, this.readTasks(folder, index, shots));
    const passing = (await this.folders.get(key)!).filter((task) => passes(task, filter));
    const tasks = described ? passing.filter(({ description }) => description !== '') : passing;
    if (tasks.length < passing.length) this.notes.push(`${folder}: ${passing.length - tasks.length} tasks have no description to be evidence and are left out.`);
    if (tasks.length === 0) throw new HypertuneError('CONFIG_INVALID', `no task of ${folder} is left.`, { field: 'filter', remedy: 'Loosen the filter of this source, or give it more examples: a task needs two different inputs.' });
    const source = sampled(tasks, sampling);
    return labels ? labelViews(source, isLabel, labels) : source;
  }

  private async readTasks(folder: string, index: string | null, shots: number): Promise<FolderTask[]> {
    const { tasks, report } = await openTasks(folder, { ...(index !== null && { index }), shots });
    this.notes.push(...describeReport(folder, report));
    return tasks;
  }

  private async corpus(part: PartConfig): Promise<TextCorpus> {
    const corpora: TextCorpus[] = [];
    for (const { text, documents } of part.data as CorpusSource[]) {
      const key = `${text}\n${documents}`;
      if (!this.texts.has(key)) this.texts.set(key, this.readText(text, documents));
      corpora.push(await this.texts.get(key)!);
    }
    return corpora.length === 1 ? corpora[0] : TextCorpus.of(corpora.flatMap((corpus) => [...corpus.documents]));
  }

  private async readText(location: string, documents: CorpusSource['documents']): Promise<TextCorpus> {
    const corpus = await TextCorpus.open(await textFiles(location), this.encoder, { documents });
    const { broken, problems, complete, tokens } = corpus.report;
    if (broken) this.notes.push(`${location}: ${broken} lines cannot be read and are left out; the first: ${where(problems[0])}.`);
    if (!complete) this.notes.push(`${location}: only the first ${tokens} tokens are used.`);
    return corpus;
  }
}

function sampled(tasks: readonly FolderTask[], { kind, cap, temperature }: TaskSampling): TaskSource {
  const dataSet = ({ id, info }: FolderTask) => info.cluster ?? id;
  const templates = new Map<string, number>();
  for (const task of tasks) templates.set(dataSet(task), (templates.get(dataSet(task)) ?? 0) + 1);
  const sizes = tasks.map((task) => ({ size: task.total, templates: templates.get(dataSet(task)) }));
  switch (kind) {
    case 'equal':
      return taskList(tasks);
    case 'proportional':
      return weightedTasks(tasks, proportionalWeights(sizes, cap ?? Infinity));
    case 't0':
      return weightedTasks(tasks, t0Weights(sizes, cap ?? undefined));
    case 'temperature':
      return weightedTasks(tasks, temperatureWeights(sizes, temperature, cap ?? Infinity));
  }
}

function isLabel(task: Task): boolean {
  return (task as FolderTask).info.kind === 'label';
}

function passes({ id, info, examples }: FolderTask, { kind, licence, task, maxInputWords, maxOutputWords }: TaskFilter): boolean {
  const listed = (list: string[] | undefined, value: string | undefined) => list === undefined || (value !== undefined && list.includes(value));
  const short = (most: number | undefined, mean: number | undefined, text: 'input' | 'output') => most === undefined || (mean ?? meanWords(examples.map((e) => e[text]))) <= most;
  return listed(kind, info.kind) && listed(licence, info.licence_class) && listed(task, id) && short(maxInputWords, info.mean_input_words, 'input') && short(maxOutputWords, info.mean_output_words, 'output');
}

function meanWords(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.split(/\s+/).filter(Boolean).length, 0) / texts.length;
}

function describeReport(folder: string, { records, broken, problems, leftOut, short }: TaskReport): string[] {
  const notes: string[] = [];
  if (broken) notes.push(`${folder}: ${broken} of ${records + broken} records cannot be read and are left out; the first: ${where(problems[0])}.`);
  if (leftOut.length) notes.push(`${folder}: ${named(leftOut)} fewer than two different inputs and ${leftOut.length === 1 ? 'is' : 'are'} left out.`);
  if (short.length) notes.push(`${folder}: ${named(short)} too few examples for the shots asked for; episodes take what there is.`);
  return notes;
}

function where({ file, line, message }: TaskReport['problems'][number]): string {
  return `${file}:${line}: ${message}`;
}

function named(tasks: readonly string[]): string {
  const some = tasks.slice(0, 3).join(', ');
  return tasks.length === 1 ? `task ${some} has` : `${tasks.length} tasks (${some}${tasks.length > 3 ? ', ...' : ''}) have`;
}

async function textFiles(location: string): Promise<string[]> {
  try {
    if (!(await stat(location)).isDirectory()) return [location];
    const names = (await readdir(location)).filter((name) => /\.(txt|jsonl)(\.gz)?$/.test(name)).sort();
    return names.map((name) => path.join(location, name));
  } catch (cause) {
    throw fileError(cause, location, 'read');
  }
}
