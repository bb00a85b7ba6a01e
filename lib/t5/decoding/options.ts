/** What a caller can ask of `generate`, with the names and meanings of Hugging Face's GenerationConfig in camel case. */

export interface GenerateOptions {
  /** Limit on generated tokens; wins over `maxLength`. Absent both here and in the defaults: 20. */
  maxNewTokens?: number;
  /** Limit on the decoder sequence, start token included. */
  maxLength?: number;
  /** No end token before the decoder sequence, start token included, has this length. */
  minLength?: number;
  /** No end token before this many generated ones; wins over `minLength`. */
  minNewTokens?: number;
  /** 1: greedy or sampling. */
  numBeams?: number;
  /** Beam search: true ends with numBeams finished answers, false by an estimate, 'never' when no better one is possible. */
  earlyStopping?: boolean | 'never';
  /** Beam search: scores are divided by length to this power; positive values favour long answers. */
  lengthPenalty?: number;
  /** Answers per input: at most numBeams, or any number of samples. */
  numReturnSequences?: number;
  /** No n-gram of this length twice; 0: off. */
  noRepeatNgramSize?: number;
  /** Above 1: tokens already there become less likely. */
  repetitionPenalty?: number;
  badWordsIds?: readonly (readonly number[])[];
  suppressTokens?: readonly number[];
  /** Suppressed as first token only. */
  beginSuppressTokens?: readonly number[];
  /** Draws tokens instead of taking the likeliest; the options below count only then. */
  doSample?: boolean;
  temperature?: number;
  /** 0: the whole vocabulary. */
  topK?: number;
  topP?: number;
  /**
   * Equal seeds give equal answers. One number serves the whole batch, each row drawing its own numbers from it; a list
   * gives each input its own, so that an answer does not depend on the batch around it. Absent: drawn at random.
   */
  seed?: number | readonly number[];
}

/** What a model says about its own decoding (generation_config.json). */
export interface GenerationDefaults extends Omit<GenerateOptions, 'seed'> {
  decoderStartTokenId?: number;
  padTokenId?: number;
  eosTokenIds?: readonly number[];
  forcedBosTokenId?: number;
  forcedEosTokenIds?: readonly number[];
}

/** Constraints on the next token. */
export interface TokenRules {
  repetitionPenalty: number;
  noRepeatNgramSize: number;
  /** Length of the decoder sequence, start token included, before which it cannot end. */
  minLength: number;
  badWords: readonly (readonly number[])[];
  suppress: readonly number[];
  beginSuppress: readonly number[];
}

export interface Sampling {
  temperature: number;
  topK: number;
  topP: number;
  /** [rows, 2]: Philox key of each decoder row. */
  seeds: Int32Array;
}

/** Options after validation, with every default in place. */
export interface DecodeSettings {
  start: number;
  pad: number;
  eos: readonly number[];
  /** Length of the decoder sequence, start token included, at which a row ends. */
  limit: number;
  rules: TokenRules;
  beams: number;
  returned: number;
  earlyStopping: boolean | 'never';
  lengthPenalty: number;
  sampling?: Sampling;
}
