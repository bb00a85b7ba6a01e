import type { AddedToken } from './added-tokens.ts';
import type { Decoder } from './decoder.ts';
import type { Normalizer } from './normalizer.ts';
import type { PreTokenizer } from './pre-tokenizer.ts';
import type { Template } from './template.ts';
import type { Unigram } from './unigram.ts';

/** What a tokenizer file comes down to, whatever its format. */
export interface TokenizerParts {
  /** Every piece by id, added ones included. */
  pieces: readonly string[];
  /** Piece to id. */
  ids: ReadonlyMap<string, number>;
  addedTokens: readonly AddedToken[];
  /** Ids that `decode` leaves out unless asked for. */
  specialIds: ReadonlySet<number>;
  normalizer?: Normalizer;
  preTokenizer?: PreTokenizer;
  model: Unigram;
  template: Template;
  decoder: Decoder;
  padId: number;
  eosId: number;
  unkId: number;
  /** The tokenizer.json that describes it. */
  toJSON: () => unknown;
}

/** Pieces that a file beside the tokenizer names differently from T5. */
export interface SpecialPieces {
  pad: string;
  eos: string;
}

export const T5_SPECIAL_PIECES: SpecialPieces = { pad: '<pad>', eos: '</s>' };
