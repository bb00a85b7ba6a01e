import type { AddedToken } from './added-tokens.ts';
import { parseDecoder } from './decoder.ts';
import { asArray, asBoolean, asIndex, asObject, asString, invalid, type JsonObject, unsupported } from './json-fields.ts';
import { parseNormalizer, parsePreTokenizer } from './normalizer-json.ts';
import type { SpecialPieces, TokenizerParts } from './parts.ts';
import { parseTemplate } from './template.ts';
import { bytePiece } from './unicode.ts';
import { Unigram } from './unigram.ts';

/**
 * Reads the contents of a Hugging Face tokenizer.json with a Unigram model. Its `truncation` and `padding` are the
 * caller's business and not applied.
 * @throws HypertuneError CONFIG_INVALID, CONFIG_UNSUPPORTED; FILE_FORMAT for a damaged character map
 */
export function parseTokenizerJson(value: unknown, special: SpecialPieces): TokenizerParts {
  const json = asObject(value, 'tokenizer.json');
  const model = asObject(json.model, 'model');
  const { pieces, ids, scores } = parseVocabulary(model);
  const unkId = asIndex(model.unk_id, pieces.length, 'model.unk_id');
  const byteFallback = asBoolean(model.byte_fallback, false, 'model.byte_fallback');
  if (byteFallback) checkBytePieces(ids, 'model.vocab');
  const unigram = new Unigram({ pieces, scores, unkId, byteFallback, singlePrecision: false });

  const addedTokens = asArray(json.added_tokens ?? [], 'added_tokens').map((token, i) => parseAddedToken(token, `added_tokens[${i}]`));
  appendAddedTokens(addedTokens, pieces, ids);
  return {
    pieces,
    ids,
    addedTokens,
    specialIds: new Set(addedTokens.filter((token) => token.special).map((token) => token.id)),
    normalizer: json.normalizer ? parseNormalizer(json.normalizer, 'normalizer') : undefined,
    preTokenizer: json.pre_tokenizer ? parsePreTokenizer(json.pre_tokenizer, 'pre_tokenizer') : undefined,
    model: unigram,
    template: parseTemplate(json.post_processor, pieces.length, 'post_processor'),
    decoder: parseDecoder(json.decoder, 'decoder'),
    padId: ids.get(special.pad) ?? -1,
    eosId: ids.get(special.eos) ?? -1,
    unkId,
    toJSON: () => structuredClone(json),
  };
}

interface Vocabulary {
  pieces: string[];
  ids: Map<string, number>;
  scores: Float64Array;
}

function parseVocabulary(model: JsonObject): Vocabulary {
  // Old files do not name their type; only a Unigram vocabulary is an array.
  const type = model.type ?? (Array.isArray(model.vocab) ? 'Unigram' : undefined);
  if (type !== 'Unigram') {
    throw unsupported('model.type', `must be Unigram, is ${JSON.stringify(type ?? null)}`, 'Use the tokenizer of a T5 model.');
  }
  const entries = asArray(model.vocab, 'model.vocab');
  const pieces: string[] = [];
  const ids = new Map<string, number>();
  const scores = new Float64Array(entries.length);
  entries.forEach((entry, id) => {
    const field = `model.vocab[${id}]`;
    const [piece, score] = asArray(entry, field);
    addPiece(pieces, ids, asString(piece, field), field);
    scores[id] = checkScore(score, field);
  });
  return { pieces, ids, scores };
}

/** Appends a piece that must be new. */
export function addPiece(pieces: string[], ids: Map<string, number>, piece: string, field: string): void {
  const other = ids.get(piece);
  if (other !== undefined) throw invalid(field, `the piece ${JSON.stringify(piece)} is already number ${other}`);
  ids.set(piece, pieces.length);
  pieces.push(piece);
}

export function checkScore(score: unknown, field: string): number {
  if (typeof score !== 'number' || !Number.isFinite(score)) throw invalid(field, `the score must be a finite number, is ${score}`);
  return score;
}

/** Byte fallback needs a piece for each of the 256 bytes. */
export function checkBytePieces(ids: ReadonlyMap<string, number>, field: string): void {
  for (let byte = 0; byte < 256; byte++) {
    if (!ids.has(bytePiece(byte))) throw invalid(field, `byte fallback needs the piece ${bytePiece(byte)}`);
  }
}

function parseAddedToken(value: unknown, field: string): AddedToken {
  const json = asObject(value, field);
  const special = asBoolean(json.special, false, `${field}.special`);
  return {
    id: asIndex(json.id, 2 ** 31, `${field}.id`),
    content: asString(json.content, `${field}.content`),
    singleWord: asBoolean(json.single_word, false, `${field}.single_word`),
    lstrip: asBoolean(json.lstrip, false, `${field}.lstrip`),
    rstrip: asBoolean(json.rstrip, false, `${field}.rstrip`),
    normalized: asBoolean(json.normalized, !special, `${field}.normalized`),
    special,
  };
}

/** Gives ids behind the model's vocabulary to the tokens that it lacks; ids must leave no gap. */
function appendAddedTokens(tokens: readonly AddedToken[], pieces: string[], ids: Map<string, number>): void {
  for (const token of [...tokens].sort((a, b) => a.id - b.id)) {
    const field = `added_tokens, ${JSON.stringify(token.content)}`;
    const known = ids.get(token.content);
    if (known === token.id) continue;
    if (known !== undefined) throw invalid(field, `has the id ${token.id}, but is number ${known} of the vocabulary`);
    if (token.id !== pieces.length) throw invalid(field, `has the id ${token.id}, the next free one is ${pieces.length}`);
    addPiece(pieces, ids, token.content, field);
  }
}
