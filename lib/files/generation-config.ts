import { ConfigFields } from '../t5/fields.ts';
import type { JsonObject } from '../t5/fields.ts';

/** How to decode, as `generation_config.json` says it; absent fields have the neutral Hugging Face default. */
export interface GenerationConfig {
  /** Limit on the decoder sequence, start token included. `maxNewTokens` wins over it. */
  maxLength?: number;
  maxNewTokens?: number;
  minLength: number;
  minNewTokens?: number;
  doSample: boolean;
  numBeams: number;
  numReturnSequences: number;
  earlyStopping: boolean | 'never';
  lengthPenalty: number;
  noRepeatNgramSize: number;
  repetitionPenalty: number;
  temperature: number;
  /** 0 keeps the whole vocabulary. */
  topK: number;
  topP: number;
  decoderStartTokenId?: number;
  padTokenId?: number;
  eosTokenIds?: number[];
  forcedBosTokenId?: number;
  forcedEosTokenIds?: number[];
  suppressTokens: number[];
  badWordsIds: number[][];
  /** The JSON as it was read. */
  raw: JsonObject;
}

/** Fields that change the output and are not implemented, with the values at which they do nothing. */
const NEUTRAL: Record<string, readonly unknown[]> = {
  num_beam_groups: [1],
  diversity_penalty: [0],
  penalty_alpha: [0],
  typical_p: [1],
  epsilon_cutoff: [0],
  eta_cutoff: [0],
  min_p: [0],
  top_h: [],
  encoder_no_repeat_ngram_size: [0],
  encoder_repetition_penalty: [1],
  guidance_scale: [1],
  exponential_decay_length_penalty: [],
  begin_suppress_tokens: [],
  sequence_bias: [],
  force_words_ids: [],
  constraints: [],
  forced_decoder_ids: [],
  watermarking_config: [],
  stop_strings: [],
  dola_layers: [],
  max_time: [],
  renormalize_logits: [false],
};

/**
 * Reads a parsed `generation_config.json`. Ids are checked against `vocabSize` where it is given.
 * Throws CONFIG_INVALID for a wrong type, range or combination, CONFIG_UNSUPPORTED for a decoding method that is not here.
 */
export function parseGenerationConfig(json: unknown, vocabSize?: number, source = 'generation_config.json'): GenerationConfig {
  const f = new ConfigFields(json, source);
  for (const [name, neutral] of Object.entries(NEUTRAL)) {
    const value = f.get(name);
    if (value !== undefined && !neutral.includes(value)) throw f.unsupported(name, `Remove ${name} from ${source}.`);
  }
  const atLeastOne = { min: 1, max: 2 ** 31 - 1 };
  const count = { min: 0, max: 2 ** 31 - 1 };
  const maxId = vocabSize === undefined ? undefined : vocabSize - 1;
  const id = { min: 0, max: maxId };

  const config: GenerationConfig = {
    maxLength: f.optionalInteger('max_length', atLeastOne),
    maxNewTokens: f.optionalInteger('max_new_tokens', atLeastOne),
    minLength: f.integer('min_length', 0, count),
    minNewTokens: f.optionalInteger('min_new_tokens', count),
    doSample: f.boolean('do_sample', false),
    numBeams: f.integer('num_beams', 1, atLeastOne),
    numReturnSequences: f.integer('num_return_sequences', 1, atLeastOne),
    earlyStopping: f.get('early_stopping') === 'never' ? 'never' : f.boolean('early_stopping', false),
    lengthPenalty: f.number('length_penalty', 1),
    noRepeatNgramSize: f.integer('no_repeat_ngram_size', 0, count),
    repetitionPenalty: positive(f, 'repetition_penalty'),
    temperature: positive(f, 'temperature'),
    topK: f.integer('top_k', 50, count),
    topP: f.number('top_p', 1, { min: 0, max: 1 }),
    decoderStartTokenId: f.optionalInteger('decoder_start_token_id', id),
    padTokenId: f.optionalInteger('pad_token_id', id),
    eosTokenIds: f.ids('eos_token_id', maxId),
    forcedBosTokenId: f.optionalInteger('forced_bos_token_id', id),
    forcedEosTokenIds: f.ids('forced_eos_token_id', maxId),
    suppressTokens: f.ids('suppress_tokens', maxId) ?? [],
    badWordsIds: badWords(f, maxId),
    raw: structuredClone(f.raw),
  };
  checkTogether(f, config);
  return config;
}

function positive(f: ConfigFields, name: string): number {
  const value = f.number(name, 1, { min: 0 });
  if (value === 0) throw f.invalid(name, 'a number above 0');
  return value;
}

function badWords(f: ConfigFields, maxId = Number.MAX_SAFE_INTEGER): number[][] {
  const value = f.get('bad_words_ids');
  if (value === undefined) return [];
  const isId = (id: unknown): boolean => Number.isSafeInteger(id) && (id as number) >= 0 && (id as number) <= maxId;
  const valid = Array.isArray(value) && value.every((word) => Array.isArray(word) && word.length > 0 && word.every(isId));
  if (!valid) throw f.invalid('bad_words_ids', `a list of non-empty lists of ids from 0 to ${maxId}`);
  return structuredClone(value) as number[][];
}

function checkTogether(f: ConfigFields, c: GenerationConfig): void {
  if (c.maxLength !== undefined && c.maxNewTokens === undefined && c.minLength > c.maxLength) {
    throw f.invalid('min_length', `at most max_length (${c.maxLength})`);
  }
  if (c.maxNewTokens !== undefined && (c.minNewTokens ?? 0) > c.maxNewTokens) {
    throw f.invalid('min_new_tokens', `at most max_new_tokens (${c.maxNewTokens})`);
  }
  if (c.numReturnSequences > c.numBeams && !c.doSample) {
    throw f.invalid('num_return_sequences', `at most num_beams (${c.numBeams}) unless do_sample is true`);
  }
}
