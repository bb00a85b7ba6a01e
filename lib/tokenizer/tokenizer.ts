import { setImmediate } from 'node:timers/promises';
import { HypertuneError } from '../engine/errors.ts';
import { atomicWrite } from '../files/atomic.ts';
import { decodeUtf8, parseJson } from '../files/json.ts';
import { AddedTokenFinder } from './added-tokens.ts';
import { AlignedText } from './aligned-text.ts';
import { DecoderChain } from './decoder.ts';
import { DecodeStream } from './decode-stream.ts';
import { findTokenizerFile, readBytes, readSpecialPieces } from './files.ts';
import { type SpecialPieces, T5_SPECIAL_PIECES, type TokenizerParts } from './parts.ts';
import { whole } from './pre-tokenizer.ts';
import { parseSentencePieceTokenizer } from './sentencepiece-tokenizer.ts';
import { TokenBuffer } from './token-buffer.ts';
import { parseTokenizerJson } from './tokenizer-json.ts';
import { toWellFormed } from './unicode.ts';

export interface TokenizerOptions {
  /** For a SentencePiece model that has no sentinels: how many `<extra_id_*>` to append. Default 100. */
  sentinels?: number;
}

export interface EncodeOptions {
  /** Put the template's special tokens around the text: for T5, `</s>` behind it. Default true. */
  addSpecialTokens?: boolean;
}

export interface DecodeOptions {
  /** Leave out padding, `</s>`, `<unk>` and the sentinels. Default true. */
  skipSpecialTokens?: boolean;
}

/** Token ids, and for each the range of the text that it stands for. */
export interface Encoding {
  /** int32 [tokens] */
  ids: Int32Array;
  /** Start and end in UTF-16 units, alternating: int32 [2 * tokens]; both 0 for special tokens of the template. */
  offsets: Int32Array;
}

/**
 * T5 tokenizer: a unigram model with its normalisation. From a `tokenizer.json` it gives the ids of Hugging Face's
 * `tokenizers`, from a SentencePiece `.model` those of SentencePiece (plus sentinels). Lone surrogates count as U+FFFD.
 */
export class Tokenizer {
  /** Number of ids, added tokens and sentinels included. */
  readonly vocabSize: number;
  /** -1 if the tokenizer has no such piece, as `eosId`. */
  readonly padId: number;
  readonly eosId: number;
  readonly unkId: number;
  readonly #parts: TokenizerParts;
  readonly #rawFinder: AddedTokenFinder;
  readonly #normalizedFinder: AddedTokenFinder;

  private constructor(parts: TokenizerParts) {
    this.#parts = parts;
    this.vocabSize = parts.pieces.length;
    this.padId = parts.padId;
    this.eosId = parts.eosId;
    this.unkId = parts.unkId;
    const normalized = parts.addedTokens.filter((token) => token.normalized);
    this.#rawFinder = new AddedTokenFinder(parts.addedTokens.filter((token) => !token.normalized));
    this.#normalizedFinder = new AddedTokenFinder(
      normalized,
      normalized.map((token) => this.#normalize(AlignedText.of(token.content)).text),
    );
  }

  /**
   * The tokenizer of a model folder: tokenizer.json, else spiece.model or tokenizer.model.
   * @throws HypertuneError FILE_NOT_FOUND, FILE_IO, FILE_FORMAT, FILE_TRUNCATED, CONFIG_INVALID, CONFIG_UNSUPPORTED
   */
  static async fromFolder(folder: string, options: TokenizerOptions = {}): Promise<Tokenizer> {
    const { path, bytes } = await findTokenizerFile(folder);
    return Tokenizer.#parse(path, bytes, await readSpecialPieces(folder), options);
  }

  /** As `fromFolder`, of one file: JSON if its name ends in .json, else a SentencePiece model. */
  static async fromFile(path: string, options: TokenizerOptions = {}): Promise<Tokenizer> {
    return Tokenizer.#parse(path, await readBytes(path), T5_SPECIAL_PIECES, options);
  }

  /** From the contents of a tokenizer.json. */
  static fromJSON(json: unknown, special: SpecialPieces = T5_SPECIAL_PIECES): Tokenizer {
    return new Tokenizer(parseTokenizerJson(json, special));
  }

  /** From the contents of a SentencePiece model. */
  static fromSentencePiece(bytes: Uint8Array, { sentinels = 100 }: TokenizerOptions = {}): Tokenizer {
    return new Tokenizer(parseSentencePieceTokenizer(bytes, sentinels));
  }

  static async #parse(path: string, bytes: Buffer, special: SpecialPieces, options: TokenizerOptions): Promise<Tokenizer> {
    if (path.endsWith('.json')) {
      const json = parseJson(decodeUtf8(bytes, path), path);
      await setImmediate(); // timers and sockets have their turn between the two long parts
      return Tokenizer.fromJSON(json, special);
    }
    return Tokenizer.fromSentencePiece(bytes, options);
  }

  /** Token ids of a text: int32 [tokens]. */
  encode(text: string, options: EncodeOptions = {}): Int32Array {
    return this.#encode(text, options).ids();
  }

  /** As `encode`, with the range of the text behind each token. */
  encodeWithOffsets(text: string, options: EncodeOptions = {}): Encoding {
    const buffer = this.#encode(text, options);
    return { ids: buffer.ids(), offsets: buffer.offsets() };
  }

  /** @throws HypertuneError ARGUMENT_RANGE for an id outside the vocabulary */
  decode(ids: Iterable<number>, options: DecodeOptions = {}): string {
    const stream = this.decodeStream(options);
    let text = '';
    for (const id of ids) text += stream.push(id);
    return text + stream.end();
  }

  /** A decoder that is fed id by id. */
  decodeStream({ skipSpecialTokens = true }: DecodeOptions = {}): DecodeStream {
    const { specialIds, decoder } = this.#parts;
    const piece = (id: number): string | undefined => {
      const found = this.idToPiece(id);
      return skipSpecialTokens && specialIds.has(id) ? undefined : found;
    };
    return new DecodeStream(piece, new DecoderChain(decoder()));
  }

  /** @throws HypertuneError ARGUMENT_RANGE */
  idToPiece(id: number): string {
    const piece = this.#parts.pieces[id];
    if (piece === undefined) {
      throw new HypertuneError('ARGUMENT_RANGE', `must be an integer from 0 to ${this.vocabSize - 1}, is ${id}.`, { field: 'id' });
    }
    return piece;
  }

  /** The id of a piece as it is written in the vocabulary, undefined if it is not there. */
  pieceToId(piece: string): number | undefined {
    return this.#parts.ids.get(piece);
  }

  /**
   * The id of `<extra_id_k>`.
   * @throws HypertuneError ARGUMENT_RANGE
   */
  sentinelId(k: number): number {
    const id = this.pieceToId(`<extra_id_${k}>`);
    if (id === undefined) throw new HypertuneError('ARGUMENT_RANGE', `the tokenizer has no <extra_id_${k}>.`, { field: 'k' });
    return id;
  }

  /**
   * The contents of a tokenizer.json that describes this tokenizer.
   * @throws HypertuneError CONFIG_UNSUPPORTED if it came from a SentencePiece model with no equivalent
   */
  toJSON(): unknown {
    return this.#parts.toJSON();
  }

  /**
   * Writes a tokenizer.json, whole or not at all.
   * @throws HypertuneError FILE_IO, CONFIG_UNSUPPORTED
   */
  async save(path: string): Promise<void> {
    await atomicWrite(path, JSON.stringify(this));
  }

  #encode(input: string, { addSpecialTokens = true }: EncodeOptions): TokenBuffer {
    if (typeof input !== 'string') throw new HypertuneError('ARGUMENT_INVALID', 'must be a string.', { field: 'text' });
    const { prefix, suffix } = this.#parts.template;
    const text = toWellFormed(input);
    const out = new TokenBuffer();
    if (addSpecialTokens) for (const id of prefix) out.push(id, 0, 0);
    for (const { id, from, to } of this.#rawFinder.split(text)) {
      if (id >= 0) out.push(id, from, to);
      else this.#encodeNormalized(this.#normalize(AlignedText.of(text, from, to)), out);
    }
    if (addSpecialTokens) for (const id of suffix) out.push(id, 0, 0);
    return out;
  }

  #encodeNormalized(text: AlignedText, out: TokenBuffer): void {
    if (this.#normalizedFinder.isEmpty) return this.#encodeWords(text, out);
    for (const { id, from, to } of this.#normalizedFinder.split(text.text)) {
      if (id < 0) this.#encodeWords(text.slice(from, to), out);
      else out.push(id, text.starts[from], text.ends[to - 1]);
    }
  }

  #encodeWords(source: AlignedText, out: TokenBuffer): void {
    const { preTokenizer, model } = this.#parts;
    const { text, bounds } = preTokenizer ? preTokenizer(whole(source)) : whole(source);
    for (let i = 0; i < bounds.length; i += 2) model.encode(text, bounds[i], bounds[i + 1], out);
  }

  #normalize(text: AlignedText): AlignedText {
    return this.#parts.normalizer ? this.#parts.normalizer(text) : text;
  }
}
