/** The `parts` of a step: what each trains on, and how large its batches are. */
import type { CaclmOptions } from '../../data/caclm.ts';
import { DEFAULT_CACLM } from '../../data/caclm.ts';
import { DEFAULT_EPISODES } from '../../data/episodes.ts';
import type { EpisodeOptions, EvidenceKind } from '../../data/episodes.ts';
import { DEFAULT_TEXT } from '../../data/text-modes.ts';
import type { TextOptions } from '../../data/text-modes.ts';
import type { PrefixLmOptions, SpanCorruptionOptions } from '../../data/windows.ts';
import type { HyperKind } from '../../hyper/config.ts';
import { HypertuneError } from '../../engine/errors.ts';
import { TEXT_MODES, parseSources } from './config-data.ts';
import type { SourceConfig } from './config-data.ts';
import { Section } from './section.ts';

interface PartBase {
  /** Unique among the parts; names its losses. */
  name: string;
  data: SourceConfig[];
  /** Batches of one step; their gradients add up. */
  microbatches: number;
  /** Of its draws. */
  seed: number;
}

/** Text to text: trains the T5. */
export interface TextPart extends PartBase, TextOptions {
  kind: 'text';
}

/** Hypertuning: trains a hypermodel, and the T5 where that is trained too. */
export interface EpisodesPart extends PartBase, Omit<EpisodeOptions, 'queryEos' | 'hyperTokens' | 'queryTokens' | 'answerTokens'> {
  kind: 'episodes';
  evidence: EvidenceKind;
  /** What the hypermodel writes; null: the run's only hypermodel. */
  states: HyperKind | null;
  /** Windows in tokens; null: the hypermodel's own. */
  hyperTokens: number | null;
  queryTokens: number | null;
  answerTokens: number | null;
}

/** Span corruption and prefix language modelling: train the T5 on running text. */
export interface SpanPart extends PartBase, SpanCorruptionOptions {
  kind: 'span';
}

export interface PrefixLmPart extends PartBase, PrefixLmOptions {
  kind: 'prefix-lm';
}

/** Hyperpretraining on running text: trains a hypermodel, and the T5 where that is trained too. */
export interface CaclmPart extends PartBase, CaclmOptions {
  kind: 'caclm';
  states: HyperKind | null;
  /** What surrounds the passage, or nothing: a constant is trained, whose loss tells how much of the gain is the context's. */
  evidence: 'own' | 'none';
}

export type PartConfig = TextPart | EpisodesPart | SpanPart | PrefixLmPart | CaclmPart;
/** Parts whose evidence a hypermodel reads. */
export type HyperPart = EpisodesPart | CaclmPart;

export function needsHyper(part: PartConfig): part is HyperPart {
  return part.kind === 'episodes' || part.kind === 'caclm';
}

/** Rows of one batch. */
export function rowsOf(part: PartConfig): number {
  return part.kind === 'episodes' ? part.sets * part.queriesPerSet : part.rows;
}

const COMMON = ['name', 'kind', 'data', 'microbatches', 'seed'];
const KINDS = {
  text: ['rows', 'mix', 'minShots', 'maxShots', 'listTokens', 'queryTokens', 'maskedTokens', 'answerTokens', 'maskRates'],
  episodes: ['states', 'sets', 'minShots', 'maxShots', 'queriesPerSet', 'hyperTokens', 'queryTokens', 'answerTokens', 'useDescription', 'evidence'],
  span: ['rows', 'encoderTokens', 'density', 'meanSpan'],
  'prefix-lm': ['rows', 'windowTokens', 'minTokens'],
  caclm: ['states', 'evidence', ...Object.keys(DEFAULT_CACLM)],
};
const ANY = [...COMMON, ...Object.values(KINDS).flat()];
const EVIDENCE: readonly EvidenceKind[] = ['shots', 'definition', 'positives'];
const HYPER_KINDS: readonly HyperKind[] = ['lora', 'prefix', 'both'];

const POSITIVE = { min: 1, max: 2 ** 24 };

/** Reads a list of parts. The seed of part i is `seed + 1000 i` where it is not given. Throws CONFIG_INVALID naming the field. */
export function parseParts(owner: Section, field: string, seed: number, from: string): PartConfig[] {
  const parts = owner.list(field).map((raw, i): PartConfig => {
    const path = `${owner.at(field)}[${i}]`;
    const kind = new Section(raw, owner.source, path, ANY).oneOf('kind', Object.keys(KINDS) as PartConfig['kind'][]);
    const s = new Section(raw, owner.source, path, [...COMMON, ...KINDS[kind]]);
    const base = { name: s.string('name', kind), microbatches: s.integer('microbatches', 1, POSITIVE), seed: s.integer('seed', seed + 1000 * i), data: parseSources(s, from) };
    if (!/^[\w-]+$/.test(base.name)) throw s.invalid('name', 'letters, digits, "-" and "_"');
    const text = kind !== 'text' && kind !== 'episodes';
    const wrong = base.data.findIndex((source) => 'text' in source !== text);
    if (wrong >= 0) throw new HypertuneError('CONFIG_INVALID', `${s.source}: ${s.at('data')}[${wrong}]: parts of kind ${kind} draw ${text ? 'running text: { "text": ... }' : 'tasks, not running text'}.`, { field: `${s.at('data')}[${wrong}]` });
    switch (kind) {
      case 'text':
        return { kind, ...base, ...textOptions(s) };
      case 'episodes': {
        const options = episodeOptions(s);
        const labels = base.data.findIndex((source) => 'labels' in source && source.labels !== null);
        if (options.evidence !== 'shots' && labels >= 0) throw s.invalid('evidence', `"shots", as data[${labels}].labels renames classes that a description names`);
        return { kind, ...base, ...options };
      }
      case 'span':
        return { kind, ...base, rows: s.integer('rows', 64, POSITIVE), encoderTokens: s.integer('encoderTokens', 128, POSITIVE), density: s.number('density', 0.15, { min: 0.01, max: 0.99 }), meanSpan: s.number('meanSpan', 3, { min: 1 }) };
      case 'prefix-lm':
        return { kind, ...base, ...prefixLmOptions(s) };
      case 'caclm':
        return { kind, ...base, states: s.oneOfOrNull('states', HYPER_KINDS), evidence: s.oneOf('evidence', ['own', 'none'], 'own'), ...caclmOptions(s) };
    }
  });
  for (const [i, { name }] of parts.entries()) {
    if (parts.findIndex((other) => other.name === name) < i) throw new Section(owner.list(field)[i], owner.source, `${owner.at(field)}[${i}]`, ANY).invalid('name', 'a name that no other part has');
  }
  return parts;
}

function prefixLmOptions(s: Section): PrefixLmOptions {
  const minTokens = s.integer('minTokens', 8, POSITIVE);
  return { rows: s.integer('rows', 64, POSITIVE), windowTokens: s.integer('windowTokens', 128, { ...POSITIVE, min: 2 * minTokens }), minTokens };
}

function caclmOptions(s: Section): CaclmOptions {
  const size = (name: keyof CaclmOptions, min = 1) => s.integer(name, DEFAULT_CACLM[name], { ...POSITIVE, min });
  const [queryTokens, answerTokens, sideTokens] = [size('queryTokens'), size('answerTokens'), size('sideTokens')];
  const least = queryTokens + answerTokens + 2 * sideTokens;
  return { rows: size('rows'), windowTokens: size('windowTokens', least), queryTokens, answerTokens, sideTokens, minDocumentTokens: size('minDocumentTokens', least) };
}

function textOptions(s: Section): TextOptions {
  const count = (name: 'rows' | 'minShots' | 'maxShots' | 'listTokens' | 'queryTokens' | 'maskedTokens' | 'answerTokens') => s.integer(name, DEFAULT_TEXT[name], POSITIVE);
  const rates = s.section('maskRates', ['input', 'answer']);
  const rate = (name: 'input' | 'answer') => rates?.number(name, DEFAULT_TEXT.maskRates[name], { min: 0, max: 1 }) ?? DEFAULT_TEXT.maskRates[name];
  return {
    rows: count('rows'), mix: s.weights('mix', TEXT_MODES) ?? DEFAULT_TEXT.mix, ...shots(s, DEFAULT_TEXT), listTokens: count('listTokens'), queryTokens: count('queryTokens'),
    maskedTokens: count('maskedTokens'), answerTokens: count('answerTokens'), maskRates: { input: rate('input'), answer: rate('answer') },
  };
}

function episodeOptions(s: Section): Omit<EpisodesPart, keyof PartBase | 'kind'> {
  const window = (name: string) => s.optionalInteger(name, POSITIVE) ?? null;
  return {
    states: s.oneOfOrNull('states', HYPER_KINDS),
    sets: s.integer('sets', DEFAULT_EPISODES.sets, POSITIVE), ...shots(s, DEFAULT_EPISODES), queriesPerSet: s.integer('queriesPerSet', DEFAULT_EPISODES.queriesPerSet, POSITIVE),
    hyperTokens: window('hyperTokens'), queryTokens: window('queryTokens'), answerTokens: window('answerTokens'), useDescription: s.boolean('useDescription', DEFAULT_EPISODES.useDescription),
    evidence: s.oneOf('evidence', EVIDENCE, 'shots'),
  };
}

function shots(s: Section, defaults: { minShots: number; maxShots: number }): { minShots: number; maxShots: number } {
  const minShots = s.integer('minShots', Math.min(defaults.minShots, s.optionalInteger('maxShots', POSITIVE) ?? Infinity), POSITIVE);
  const maxShots = s.integer('maxShots', Math.max(defaults.maxShots, minShots), POSITIVE);
  if (maxShots < minShots) throw s.invalid('maxShots', `at least minShots = ${minShots}`);
  return { minShots, maxShots };
}
