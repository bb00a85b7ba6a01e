/** Validates generation options and puts the defaults in place. */
import { HypertuneError } from '../../engine/errors.ts';
import type { T5Config } from '../config.ts';
import type { DecodeSettings, GenerateOptions, GenerationDefaults, Sampling, TokenRules } from './options.ts';
import { MAX_ROW, checkIds } from './packing.ts';

/** Answers are as long as in transformers where nobody says how long: 20 tokens. */
const DEFAULT_NEW_TOKENS = 20;
/** The op table's limit on candidates per row. */
const MAX_CANDIDATES = 4096;
const MAX_NGRAM = 1_048_576;

const NAMES: Readonly<Record<keyof GenerateOptions, true>> = {
  maxNewTokens: true, maxLength: true, minLength: true, minNewTokens: true, numBeams: true, earlyStopping: true, lengthPenalty: true,
  numReturnSequences: true, noRepeatNgramSize: true, repetitionPenalty: true, badWordsIds: true, suppressTokens: true,
  beginSuppressTokens: true, doSample: true, temperature: true, topK: true, topP: true, seed: true,
};

/** Reads options by name: the caller's, else the model's, else a fallback. */
class Reader {
  private readonly given: GenerateOptions;
  private readonly defaults: GenerationDefaults;

  constructor(given: GenerateOptions, defaults: GenerationDefaults) {
    this.given = given;
    this.defaults = defaults;
  }

  get<K extends Exclude<keyof GenerateOptions, 'seed'>>(name: K): GenerateOptions[K] {
    return this.given[name] ?? this.defaults[name];
  }

  integer(name: Exclude<keyof GenerateOptions, 'seed'>, fallback: number, lo: number, hi: number): number {
    const value = this.get(name) ?? fallback;
    if (!Number.isInteger(value) || (value as number) < lo || (value as number) > hi) throw outside(name, value, `an integer from ${lo} to ${hi}`);
    return value as number;
  }

  number(name: Exclude<keyof GenerateOptions, 'seed'>, fallback: number, accepts: (x: number) => boolean, wanted: string): number {
    const value = this.get(name) ?? fallback;
    if (typeof value !== 'number' || !Number.isFinite(Math.fround(value)) || !accepts(value)) throw outside(name, value, wanted);
    return value;
  }

  boolean(name: 'doSample'): boolean {
    const value = this.get(name) ?? false;
    if (typeof value !== 'boolean') throw wrongType(name, value, 'true or false');
    return value;
  }

  ids(name: 'suppressTokens' | 'beginSuppressTokens', vocabSize: number): readonly number[] {
    const value = this.get(name) ?? [];
    if (!Array.isArray(value)) throw wrongType(name, value, 'a list of ids');
    checkIds(value, vocabSize, name);
    return value;
  }

  /** The first of two options that exclude each other; what the caller gives hides both defaults. */
  either<A extends 'maxNewTokens' | 'minNewTokens', B extends 'maxLength' | 'minLength'>(first: A, second: B): A | B | undefined {
    for (const source of [this.given, this.defaults]) {
      if (source[first] !== undefined) return first;
      if (source[second] !== undefined) return second;
    }
    return undefined;
  }
}

function outside(field: string, value: unknown, wanted: string): HypertuneError {
  if (typeof value !== 'number') return wrongType(field, value, wanted);
  return new HypertuneError('ARGUMENT_RANGE', `${value} is not ${wanted}.`, { field });
}

function wrongType(field: string, value: unknown, wanted: string): HypertuneError {
  const shown = ['number', 'string'].includes(typeof value) ? String(value) : typeof value;
  return new HypertuneError('ARGUMENT_INVALID', `${shown} is not ${wanted}.`, { field });
}

/**
 * `inputs` is the number of input rows. Throws ARGUMENT_INVALID for an unknown option or a wrong type, ARGUMENT_RANGE for
 * a value outside its range or options that exclude each other, CONFIG_UNSUPPORTED for what is not implemented.
 */
export function resolveOptions(options: GenerateOptions, defaults: GenerationDefaults, config: T5Config, inputs: number): DecodeSettings {
  for (const name of Object.keys(options)) {
    if (!(name in NAMES)) throw new HypertuneError('ARGUMENT_INVALID', `${name} is not a generation option.`, { field: name });
  }
  refuseForced(defaults);
  const read = new Reader(options, defaults);
  const eos = defaults.eosTokenIds ?? config.eosTokenIds;
  const limit = maxLength(read);
  const rules = tokenRules(read, config.vocabSize, limit);
  const beams = read.integer('numBeams', 1, 1, Math.floor(MAX_CANDIDATES / Math.max(2, 1 + eos.length)));
  const doSample = read.boolean('doSample');
  if (doSample && beams > 1) {
    throw new HypertuneError('CONFIG_UNSUPPORTED', 'beam search cannot draw tokens at random.', { field: 'numBeams', remedy: 'Use numBeams: 1 or doSample: false.' });
  }
  const returned = read.integer('numReturnSequences', 1, 1, MAX_CANDIDATES);
  if (returned > beams && !doSample) {
    throw new HypertuneError('ARGUMENT_RANGE', `numReturnSequences ${returned} is more than numBeams ${beams}.`, { field: 'numReturnSequences', remedy: 'Raise numBeams or use doSample: true.' });
  }
  const earlyStopping = read.get('earlyStopping') ?? false;
  if (typeof earlyStopping !== 'boolean' && earlyStopping !== 'never') throw wrongType('earlyStopping', earlyStopping, "true, false or 'never'");
  return {
    start: defaults.decoderStartTokenId ?? config.decoderStartTokenId, pad: defaults.padTokenId ?? config.padTokenId, eos, limit, rules,
    beams, returned, earlyStopping, lengthPenalty: read.number('lengthPenalty', 1, () => true, 'a finite number'),
    sampling: doSample ? sampling(read, options.seed, inputs, returned) : undefined,
  };
}

function refuseForced({ forcedBosTokenId, forcedEosTokenIds }: GenerationDefaults): void {
  for (const [field, value] of Object.entries({ forcedBosTokenId, forcedEosTokenIds })) {
    if (value !== undefined) throw new HypertuneError('CONFIG_UNSUPPORTED', 'forced tokens are not implemented.', { field, remedy: 'Remove it from generation_config.json.' });
  }
}

/** Start token included. */
function maxLength(read: Reader): number {
  const name = read.either('maxNewTokens', 'maxLength');
  if (name !== 'maxLength') return 1 + read.integer('maxNewTokens', DEFAULT_NEW_TOKENS, 1, MAX_ROW - 1);
  return read.integer('maxLength', 0, 2, MAX_ROW);
}

function tokenRules(read: Reader, vocabSize: number, limit: number): TokenRules {
  const name = read.either('minNewTokens', 'minLength');
  const minLength = name === 'minNewTokens' ? 1 + read.integer('minNewTokens', 0, 0, limit - 1) : read.integer('minLength', 0, 0, limit);
  const badWords = read.get('badWordsIds') ?? [];
  if (!Array.isArray(badWords)) throw wrongType('badWordsIds', badWords, 'a list of lists of ids');
  badWords.forEach((word: unknown, i) => {
    if (!Array.isArray(word) || word.length === 0) throw wrongType(`badWordsIds[${i}]`, word, 'a non-empty list of ids');
    checkIds(word, vocabSize, `badWordsIds[${i}]`);
  });
  return {
    repetitionPenalty: read.number('repetitionPenalty', 1, (x) => Math.fround(x) > 0, 'a number above 0'),
    noRepeatNgramSize: read.integer('noRepeatNgramSize', 0, 0, MAX_NGRAM),
    minLength, badWords,
    suppress: read.ids('suppressTokens', vocabSize),
    beginSuppress: read.ids('beginSuppressTokens', vocabSize),
  };
}

function sampling(read: Reader, seed: GenerateOptions['seed'], inputs: number, returned: number): Sampling {
  return {
    temperature: read.number('temperature', 1, (x) => Math.fround(x) > 0, 'a number above 0; for the likeliest token use doSample: false'),
    topK: read.integer('topK', 50, 0, 2 ** 24),
    topP: read.number('topP', 1, (x) => x >= 0 && x <= 1, 'a number from 0 to 1'),
    seeds: rowSeeds(seed ?? Math.floor(Math.random() * 2 ** 32), inputs, returned),
  };
}

function rowSeeds(seed: number | readonly number[], inputs: number, returned: number): Int32Array {
  const own = Array.isArray(seed);
  if (own && seed.length !== inputs) throw new HypertuneError('ARGUMENT_INVALID', `${seed.length} seeds for ${inputs} inputs.`, { field: 'seed' });
  const seeds = new Int32Array(2 * inputs * returned);
  for (let row = 0; row < inputs * returned; row++) {
    const value = own ? seed[Math.floor(row / returned)] : (seed as number);
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32) throw outside('seed', value, `an integer from 0 to ${2 ** 32 - 1}`);
    seeds.set([value | 0, own ? row % returned : row], 2 * row);
  }
  return seeds;
}
