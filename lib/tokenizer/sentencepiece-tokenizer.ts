import type { AddedToken } from './added-tokens.ts';
import { byteFallbackDecoder, sentencePieceDecoder } from './decoder.ts';
import { invalid } from './json-fields.ts';
import type { TokenizerParts } from './parts.ts';
import { parseSentencePieceModel, PieceType, type SentencePieceModel, userDefinedScores } from './sentencepiece-model.ts';
import { sentencePieceNormalizer, SPACE_SYMBOL } from './sentencepiece-normalizer.ts';
import { sentencePieceToJson } from './sentencepiece-json.ts';
import { addPiece } from './tokenizer-json.ts';
import { Unigram } from './unigram.ts';

/**
 * Reads a SentencePiece model and appends the sentinels `<extra_id_{n-1}>` .. `<extra_id_0>`, so that
 * `<extra_id_0>` is the last id, unless the model has pieces of these names itself.
 * @throws HypertuneError FILE_TRUNCATED, FILE_FORMAT, CONFIG_INVALID, CONFIG_UNSUPPORTED
 */
export function parseSentencePieceTokenizer(file: Uint8Array, sentinels: number): TokenizerParts {
  if (!Number.isInteger(sentinels) || sentinels < 0) throw invalid('sentinels', 'must be a whole number');
  const spm = parseSentencePieceModel(file);
  const pieces = [...spm.pieces];
  const ids = new Map(spm.ids);
  const addedTokens = ids.has('<extra_id_0>') ? [] : appendSentinels(sentinels, pieces, ids);
  const specialIds = new Set(addedTokens.map((token) => token.id));
  spm.types.forEach((type, id) => {
    if (type === PieceType.control || type === PieceType.unknown) specialIds.add(id);
  });
  return {
    pieces,
    ids,
    addedTokens,
    specialIds,
    normalizer: sentencePieceNormalizer({
      ...spm,
      userDefined: spm.pieces.filter((_, id) => spm.types[id] === PieceType.userDefined),
    }),
    model: sentencePieceUnigram(spm),
    template: { prefix: [], suffix: spm.eosId < 0 ? [] : [spm.eosId] },
    decoder: () => [
      ...(spm.byteFallback ? [byteFallbackDecoder()] : []),
      sentencePieceDecoder(SPACE_SYMBOL, spm),
    ],
    padId: spm.padId,
    eosId: spm.eosId,
    unkId: spm.unkId,
    toJSON: () => sentencePieceToJson(spm, addedTokens),
  };
}

function appendSentinels(count: number, pieces: string[], ids: Map<string, number>): AddedToken[] {
  const flags = { singleWord: false, lstrip: false, rstrip: false, normalized: false, special: true };
  return Array.from({ length: count }, (_, i) => {
    const content = `<extra_id_${count - 1 - i}>`;
    addPiece(pieces, ids, content, 'sentinels');
    return { id: pieces.length - 1, content, ...flags };
  });
}

/** Control, unknown, byte and unused pieces never match text; user-defined ones (almost) always win. */
function sentencePieceUnigram(spm: SentencePieceModel): Unigram {
  const { types } = spm;
  return new Unigram({
    pieces: spm.pieces,
    scores: userDefinedScores(spm),
    unkId: spm.unkId,
    byteFallback: spm.byteFallback,
    minScore: spm.scores.reduce((least, score, id) => (types[id] === PieceType.normal ? Math.min(least, score) : least), Infinity),
    matchable: (id) => types[id] === PieceType.normal || types[id] === PieceType.userDefined,
    singlePrecision: true,
  });
}
