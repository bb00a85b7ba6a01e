import { asArray, asIndex, asObject, asString, invalid, unsupported } from './json-fields.ts';
import { parseMetaspace } from './normalizer-json.ts';
import { pieceByte } from './unicode.ts';

export type Emit = (text: string) => void;

/** One step from pieces back to text, fed piece by piece; what it cannot decide yet it holds back. */
export interface DecoderStage {
  push(piece: string, emit: Emit): void;
  end(emit: Emit): void;
}

/** Makes fresh stages for one text. */
export type Decoder = () => DecoderStage[];

/** Runs pieces through all stages; returns what comes out. */
export class DecoderChain {
  readonly #stages: readonly DecoderStage[];

  constructor(stages: readonly DecoderStage[]) {
    this.#stages = stages;
  }

  push(piece: string): string {
    return this.#run(0, piece);
  }

  end(): string {
    let text = '';
    this.#stages.forEach((stage, i) => stage.end((piece) => (text += this.#run(i + 1, piece))));
    return text;
  }

  #run(stage: number, piece: string): string {
    if (stage === this.#stages.length) return piece;
    let text = '';
    this.#stages[stage].push(piece, (next) => (text += this.#run(stage + 1, next)));
    return text;
  }
}

function perPiece(convert: (piece: string, index: number) => string): DecoderStage {
  let index = 0;
  return { push: (piece, emit) => emit(convert(piece, index++)), end: () => {} };
}

/** `replacement` becomes a space; in the first piece it is dropped, for it was added in front of the text. */
export function metaspaceDecoder(replacement: string, dropFirst: boolean): DecoderStage {
  return perPiece((piece, index) => piece.replaceAll(replacement, index === 0 && dropFirst ? '' : ' '));
}

/**
 * Gathers `<0x..>` pieces to characters. A byte that is no part of valid UTF-8 becomes U+FFFD by itself, the valid
 * characters around it are kept (as SentencePiece does; the `tokenizers` library gives up the whole run of bytes).
 */
export function byteFallbackDecoder(): DecoderStage {
  let pending: number[] = [];
  /** Emits all that can be decided; at the end of a run of bytes that is everything. */
  const drain = (emit: Emit, runEnded: boolean): void => {
    let text = '';
    while (pending.length > 0) {
      const length = utf8Length(pending[0]);
      if (length > 0 && pending.length >= length) {
        const bytes = Buffer.from(pending.slice(0, length));
        const character = bytes.toString('utf8');
        // What is malformed comes back as U+FFFD, so its bytes differ.
        const valid = bytes.equals(Buffer.from(character));
        text += valid ? character : '\uFFFD';
        pending = pending.slice(valid ? length : 1);
      } else if (length === 0 || runEnded || !pending.slice(1).every(isContinuation)) {
        text += '\uFFFD';
        pending = pending.slice(1);
      } else {
        break;
      }
    }
    if (text !== '') emit(text);
  };
  return {
    push(piece, emit) {
      const byte = pieceByte(piece);
      if (byte >= 0) pending.push(byte);
      drain(emit, byte < 0);
      if (byte < 0) emit(piece);
    },
    end: (emit) => drain(emit, true),
  };
}

/** Length that a UTF-8 sequence has by its first byte; 0 if none begins so. */
function utf8Length(first: number): number {
  if (first < 0x80) return 1;
  if (first < 0xc2) return 0;
  if (first < 0xe0) return 2;
  if (first < 0xf0) return 3;
  return first < 0xf5 ? 4 : 0;
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

/**
 * SentencePiece's own rule: with a dummy prefix the first space symbol is dropped; where extra white space is
 * removed, every one before the first text.
 */
export function sentencePieceDecoder(
  spaceSymbol: string,
  rule: { addDummyPrefix: boolean; removeExtraWhitespaces: boolean },
): DecoderStage {
  let atStart = rule.addDummyPrefix || rule.removeExtraWhitespaces;
  return perPiece((piece) => {
    const drop = atStart && piece.startsWith(spaceSymbol) ? spaceSymbol.length : 0;
    const text = piece.slice(drop).replaceAll(spaceSymbol, ' ');
    if (text !== '' || !rule.removeExtraWhitespaces) atStart = false;
    return text;
  });
}

/** Drops up to `count` of the character at the very start of the text. */
function stripStart(character: string, count: number): DecoderStage {
  let left = count;
  return perPiece((piece) => {
    let from = 0;
    while (left > 0 && piece.startsWith(character, from)) {
      from += character.length;
      left--;
    }
    if (from < piece.length) left = 0;
    return piece.slice(from);
  });
}

/**
 * The `decoder` of a tokenizer.json; without one, pieces are joined by spaces.
 * @throws HypertuneError CONFIG_INVALID, CONFIG_UNSUPPORTED
 */
export function parseDecoder(value: unknown, field: string): Decoder {
  if (value === null || value === undefined) {
    return () => [perPiece((piece, index) => (index === 0 ? piece : ` ${piece}`))];
  }
  const makers: (() => DecoderStage)[] = [];
  let fused = false;
  const parse = (child: unknown, at: string): void => {
    const json = asObject(child, at);
    const type = asString(json.type, `${at}.type`);
    if (type === 'Sequence') {
      asArray(json.decoders, `${at}.decoders`).forEach((inner, i) => parse(inner, `${at}.decoders[${i}]`));
    } else if (type === 'Fuse') {
      fused = true; // the stages work on the stream as it is
    } else if (type === 'Strip' && fused) {
      const character = asString(json.content, `${at}.content`);
      const start = asIndex(json.start, 2 ** 31, `${at}.start`);
      if (character === '') throw invalid(`${at}.content`, 'must be one character');
      if (json.stop !== 0) throw unsupported(`${at}.stop`, 'stripping the end of the text is not implemented');
      makers.push(() => stripStart(character, start));
    } else if (fused) {
      throw unsupported(`${at}.type`, `decoder ${type} behind Fuse is not implemented`);
    } else if (type === 'Metaspace') {
      const { replacement, scheme } = parseMetaspace(json, at);
      makers.push(() => metaspaceDecoder(replacement, scheme !== 'never'));
    } else if (type === 'ByteFallback') {
      makers.push(byteFallbackDecoder);
    } else if (type === 'Replace') {
      const pattern = asString(asObject(json.pattern, `${at}.pattern`).String, `${at}.pattern.String`);
      const content = asString(json.content, `${at}.content`);
      if (pattern === '') throw invalid(`${at}.pattern.String`, 'must not be empty');
      makers.push(() => perPiece((piece) => piece.replaceAll(pattern, () => content)));
    } else {
      throw unsupported(`${at}.type`, `decoder ${type} is not implemented`);
    }
  };
  parse(value, field);
  return () => makers.map((make) => make());
}
