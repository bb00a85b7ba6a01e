import type { AddedToken } from './added-tokens.ts';
import { AlignedText } from './aligned-text.ts';
import type { CharsMap } from './chars-map.ts';
import { unsupported } from './json-fields.ts';
import { PieceType, type SentencePieceModel, userDefinedScores } from './sentencepiece-model.ts';
import { SPACE_SYMBOL } from './sentencepiece-normalizer.ts';
import { precompiled } from './precompiled.ts';

/**
 * The tokenizer.json that makes the `tokenizers` library segment as a SentencePiece model does. Differences remain
 * where the library itself differs: character-map rules over several characters (see `precompiled`), U+0085 (taken
 * for white space), special pieces spelt out in the text (taken for the pieces).
 * @throws HypertuneError CONFIG_UNSUPPORTED for a model with no equivalent
 */
export function sentencePieceToJson(spm: SentencePieceModel, sentinels: readonly AddedToken[]): unknown {
  if (!spm.escapeWhitespaces) throw unsupported('normalizer_spec.escape_whitespaces', 'a tokenizer.json cannot keep spaces as they are');
  if (spm.types.includes(PieceType.unused)) throw unsupported('ModelProto', 'a tokenizer.json cannot have unused pieces');
  checkUserDefined(spm);

  const scores = userDefinedScores(spm);
  const eos = spm.pieces[spm.eosId];
  const metaspace = { type: 'Metaspace', replacement: SPACE_SYMBOL, prepend_scheme: 'always', split: true };
  const isT5 = spm.addDummyPrefix && spm.removeExtraWhitespaces && spm.charsMap !== undefined && mapsWhiteSpace(spm.charsMap);
  const decoder = { ...metaspace, prepend_scheme: spm.addDummyPrefix || spm.removeExtraWhitespaces ? 'always' : 'never' };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [...specialPieces(spm), ...sentinels].map((token) => ({
      id: token.id,
      content: token.content,
      single_word: token.singleWord,
      lstrip: token.lstrip,
      rstrip: token.rstrip,
      normalized: token.normalized,
      special: token.special,
    })),
    normalizer: isT5 ? charsMapJson(spm.charsMap!) : { type: 'Sequence', normalizers: spaceNormalizers(spm) },
    pre_tokenizer: isT5 ? { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, metaspace] } : null,
    post_processor: spm.eosId < 0 ? null : eosTemplate(eos, spm.eosId),
    decoder: spm.byteFallback ? { type: 'Sequence', decoders: [{ type: 'ByteFallback' }, decoder] } : decoder,
    model: {
      type: 'Unigram',
      unk_id: spm.unkId,
      vocab: [...spm.pieces.map((piece, id) => [piece, scores[id]]), ...sentinels.map((token) => [token.content, 0])],
      byte_fallback: spm.byteFallback,
    },
  };
}

/** Control pieces and the unknown piece, as added tokens. */
function specialPieces(spm: SentencePieceModel): AddedToken[] {
  return spm.pieces.flatMap((content, id) =>
    spm.types[id] === PieceType.control || spm.types[id] === PieceType.unknown
      ? [{ id, content, singleWord: false, lstrip: false, rstrip: false, normalized: false, special: true }]
      : [],
  );
}

/** SentencePiece's handling of spaces in the terms of the library; the order of the steps matters. */
function spaceNormalizers(spm: SentencePieceModel): unknown[] {
  const replace = (pattern: { Regex: string } | { String: string }, content: string): unknown => ({ type: 'Replace', pattern, content });
  const steps: unknown[] = [];
  if (spm.charsMap) steps.push(charsMapJson(spm.charsMap));
  if (spm.addDummyPrefix) steps.push({ type: 'Prepend', prepend: ' ' });
  if (spm.removeExtraWhitespaces) {
    steps.push(replace({ Regex: ' {2,}' }, ' '));
    // Anchors that mean the ends of the text, not of lines, in the library's dialect as in JavaScript's.
    if (!spm.addDummyPrefix) steps.push(replace({ Regex: '(?<![\\s\\S]) ' }, ''));
    steps.push(replace({ Regex: ' (?![\\s\\S])' }, ''));
  }
  steps.push(replace({ String: ' ' }, SPACE_SYMBOL));
  return steps;
}

function charsMapJson(map: CharsMap): unknown {
  return { type: 'Precompiled', precompiled_charsmap: Buffer.from(map.blob).toString('base64') };
}

function eosTemplate(eos: string, id: number): unknown {
  const text = (name: string, type: number): unknown => ({ Sequence: { id: name, type_id: type } });
  const end = (type: number): unknown => ({ SpecialToken: { id: eos, type_id: type } });
  return {
    type: 'TemplateProcessing',
    single: [text('A', 0), end(0)],
    pair: [text('A', 0), end(0), text('B', 0), end(0)],
    special_tokens: { [eos]: { id: eos, ids: [id], tokens: [eos] } },
  };
}

/** Whether splitting at white space afterwards finds spaces only, so that T5's usual pipeline is faithful. */
function mapsWhiteSpace(map: CharsMap): boolean {
  const others = '\t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000';
  return precompiled(map)(AlignedText.of(others)).text.replaceAll(' ', '') === '';
}

function checkUserDefined(spm: SentencePieceModel): void {
  spm.pieces.forEach((piece, id) => {
    if (spm.types[id] !== PieceType.userDefined) return;
    const normalized = spm.charsMap ? precompiled(spm.charsMap)(AlignedText.of(piece)).text : piece;
    if (normalized !== piece || /[\p{White_Space}\u2581]/u.test(piece)) {
      throw unsupported('ModelProto', `the user-defined piece ${JSON.stringify(piece)} would be normalised by a tokenizer.json`);
    }
  });
}
