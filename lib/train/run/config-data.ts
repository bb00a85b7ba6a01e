/** The `data` of a part: where its tasks and texts come from. */
import path from 'node:path';
import type { TextOptions } from '../../data/text-modes.ts';
import { DEFAULT_UNIVERSE } from '../../data/families/universe.ts';
import type { GeneratedKind, UniverseOptions } from '../../data/families/universe.ts';
import { HypertuneError } from '../../engine/errors.ts';
import { Section } from './section.ts';

/** Which tasks of a folder are taken; an absent field takes all. */
export interface TaskFilter {
  kind?: string[];
  licence?: string[];
  task?: string[];
  maxInputWords?: number;
  maxOutputWords?: number;
}

/** The universe of generated tasks; the trained side of its split, or what training never draws. */
export interface GeneratedSource {
  generated: Partial<UniverseOptions>;
  heldOut: GeneratedKind | null;
  weight: number;
}

/** How often each task of a folder is drawn: all alike, by size up to `cap`, or by size to the power 1 / temperature. */
export interface TaskSampling {
  /** `t0` takes the tasks of one `cluster` of the index for the templates of one data set. */
  kind: 'equal' | 'proportional' | 't0' | 'temperature';
  /** null: none; of `t0` 500,000. */
  cap: number | null;
  temperature: number;
}

/** A folder or file in any format that `openTasks` reads. */
export interface FolderSource {
  folder: string;
  /** index.json with what is known of the tasks; null: the one in the folder or above it, if there is one. */
  index: string | null;
  filter: TaskFilter;
  sampling: TaskSampling;
  /** Classification tasks seen few classes at a time; null: as they are. */
  labels: { renamed: number; maxClasses: number } | null;
  weight: number;
}

/** Running text, a file or a folder of them; several sources are one corpus, drawn in proportion to their length. */
export interface CorpusSource {
  text: string;
  documents: 'line' | 'blank-line';
}

export type SourceConfig = GeneratedSource | FolderSource | CorpusSource;

const FIELDS = { generated: ['generated', 'heldOut', 'weight'], folder: ['folder', 'index', 'filter', 'sampling', 'labels', 'weight'], text: ['text', 'documents'] };
const KINDS = Object.keys(DEFAULT_UNIVERSE.shares) as GeneratedKind[];

/** Reads the field `data`; paths are resolved from `from`. Throws CONFIG_INVALID naming the field. */
export function parseSources(part: Section, from: string): SourceConfig[] {
  const items = part.list('data');
  if (items.length === 0) throw part.invalid('data', 'a list of at least one source');
  return items.map((item, i) => parseSource(item, part.source, `${part.at('data')}[${i}]`, from));
}

function parseSource(item: unknown, source: string, at: string, from: string): SourceConfig {
  const names = Object.keys(FIELDS) as (keyof typeof FIELDS)[];
  const given = names.filter((name) => typeof item === 'object' && item !== null && Object.hasOwn(item, name) && item[name as keyof typeof item] !== null);
  if (given.length !== 1) {
    throw new HypertuneError('CONFIG_INVALID', `${source}: ${at} must have exactly one of the fields ${names.join(', ')}.`, { field: at });
  }
  const s = new Section(item, source, at, FIELDS[given[0]]);
  if (given[0] === 'text') return { text: path.resolve(from, s.string('text')), documents: s.oneOf('documents', ['line', 'blank-line'], 'line') };
  const weight = s.number('weight', 1, { min: 0 });
  if (given[0] === 'generated') return { generated: parseUniverse(s), heldOut: s.oneOfOrNull('heldOut', KINDS), weight };
  const index = s.optionalString('index');
  return { folder: path.resolve(from, s.string('folder')), index: index === undefined ? null : path.resolve(from, index), filter: parseFilter(s), sampling: parseSampling(s), labels: parseLabels(s), weight };
}

function parseUniverse(s: Section): Partial<UniverseOptions> {
  const u = s.section('generated', ['minWords', 'maxWords', 'shares'])!;
  const [minWords, maxWords] = [u.optionalInteger('minWords', { min: 4, max: 12 }), u.optionalInteger('maxWords', { min: 4, max: 12 })];
  const given = u.weights('shares', KINDS);
  const shares = given && (Object.fromEntries(KINDS.map((kind) => [kind, given[kind] ?? 0])) as UniverseOptions['shares']);
  if ((maxWords ?? DEFAULT_UNIVERSE.maxWords) < (minWords ?? DEFAULT_UNIVERSE.minWords)) throw u.invalid('maxWords', 'at least minWords');
  return { ...(minWords !== undefined && { minWords }), ...(maxWords !== undefined && { maxWords }), ...(shares && { shares }) };
}

function parseFilter(s: Section): TaskFilter {
  const f = s.section('filter', ['kind', 'licence', 'task', 'maxInputWords', 'maxOutputWords']);
  if (!f) return {};
  const words = { min: 0 };
  const entries = { kind: f.strings('kind'), licence: f.strings('licence'), task: f.strings('task'), maxInputWords: f.optionalNumber('maxInputWords', words), maxOutputWords: f.optionalNumber('maxOutputWords', words) };
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as TaskFilter;
}

function parseSampling(s: Section): TaskSampling {
  const t = s.section('sampling', ['kind', 'cap', 'temperature']) ?? new Section({}, s.source, s.at('sampling'), []);
  return { kind: t.oneOf('kind', ['equal', 'proportional', 't0', 'temperature'], 'equal'), cap: t.optionalInteger('cap', { min: 1 }) ?? null, temperature: t.number('temperature', 2, { min: 1e-3 }) };
}

function parseLabels(s: Section): FolderSource['labels'] {
  const l = s.section('labels', ['renamed', 'maxClasses']);
  return l ? { renamed: l.number('renamed', 0.5, { min: 0, max: 1 }), maxClasses: l.integer('maxClasses', 4, { min: 2 }) } : null;
}

export const TEXT_MODES = ['cue', 'induce', 'den', 'icl', 'none'] as const satisfies readonly (keyof TextOptions['mix'])[];
