import { HypertuneError } from '../engine/errors.ts';
import { CharsMap } from './chars-map.ts';
import { invalid, unsupported } from './json-fields.ts';
import { readProtobuf } from './protobuf.ts';
import { addPiece, checkBytePieces, checkScore } from './tokenizer-json.ts';

/** Kinds of pieces; the numbers are those of sentencepiece_model.proto. */
export const PieceType = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** The contents of a SentencePiece unigram `.model` file. */
export interface SentencePieceModel {
  pieces: string[];
  ids: Map<string, number>;
  /** Log probabilities, float32 values. */
  scores: Float64Array;
  types: Uint8Array;
  /** -1 for a special piece that the model was trained without. */
  unkId: number;
  eosId: number;
  padId: number;
  byteFallback: boolean;
  charsMap?: CharsMap;
  addDummyPrefix: boolean;
  removeExtraWhitespaces: boolean;
  escapeWhitespaces: boolean;
}

const MODEL_TYPES = ['', 'unigram', 'BPE', 'word', 'character'];

/**
 * Reads a SentencePiece model (ModelProto of sentencepiece_model.proto).
 * @throws HypertuneError FILE_TRUNCATED, FILE_FORMAT, CONFIG_INVALID, CONFIG_UNSUPPORTED
 */
export function parseSentencePieceModel(file: Uint8Array): SentencePieceModel {
  const pieces: string[] = [];
  const ids = new Map<string, number>();
  const scores: number[] = [];
  const types: number[] = [];
  // Defaults of the .proto; negative ids are written as such.
  const trainer = { modelType: 1, byteFallback: false, asSuffix: false, eosPiece: '</s>', padPiece: '<pad>' };
  const normalizer = { charsMap: undefined as Uint8Array | undefined, dummyPrefix: true, removeExtra: true, escape: true };

  for (const { number, bytes } of readProtobuf(file, 'ModelProto')) {
    if (!bytes) continue;
    if (number === 1) {
      const field = `piece ${pieces.length}`;
      const piece = readPiece(bytes, field);
      addPiece(pieces, ids, piece.text, field);
      scores.push(checkScore(piece.score, field));
      types.push(piece.type);
    } else if (number === 2) {
      for (const { number: option, value, bytes: text } of readProtobuf(bytes, 'trainer_spec')) {
        if (option === 3) trainer.modelType = value;
        else if (option === 24) trainer.asSuffix = value !== 0;
        else if (option === 35) trainer.byteFallback = value !== 0;
        else if (option === 47 && text) trainer.eosPiece = utf8(text);
        else if (option === 48 && text) trainer.padPiece = utf8(text);
      }
    } else if (number === 3) {
      for (const { number: option, value, bytes: blob } of readProtobuf(bytes, 'normalizer_spec')) {
        if (option === 2 && blob) normalizer.charsMap = blob;
        else if (option === 3) normalizer.dummyPrefix = value !== 0;
        else if (option === 4) normalizer.removeExtra = value !== 0;
        else if (option === 5) normalizer.escape = value !== 0;
      }
    }
  }

  if (pieces.length === 0) {
    throw new HypertuneError('FILE_FORMAT', 'holds no pieces.', { field: 'ModelProto', remedy: 'A SentencePiece .model file is expected.' });
  }
  if (trainer.modelType !== 1) {
    const name = MODEL_TYPES[trainer.modelType] ?? trainer.modelType;
    throw unsupported('trainer_spec.model_type', `must be unigram, is ${name}`, 'Use the tokenizer of a T5 model.');
  }
  if (trainer.asSuffix) throw unsupported('trainer_spec.treat_whitespace_as_suffix', 'white space as suffix is not implemented');
  const unknown = types.indexOf(PieceType.unknown);
  if (unknown < 0) throw invalid('ModelProto', 'the model has no unknown piece');
  if (types.indexOf(PieceType.unknown, unknown + 1) >= 0) throw invalid('ModelProto', 'the model has two unknown pieces');
  if (trainer.byteFallback) checkBytePieces(ids, 'ModelProto');

  const control = (piece: string): number => {
    const id = ids.get(piece) ?? -1;
    return id >= 0 && types[id] === PieceType.control ? id : -1;
  };
  return {
    pieces,
    ids,
    scores: Float64Array.from(scores),
    types: Uint8Array.from(types),
    unkId: unknown,
    eosId: control(trainer.eosPiece),
    padId: control(trainer.padPiece),
    byteFallback: trainer.byteFallback,
    charsMap: normalizer.charsMap?.length ? new CharsMap(normalizer.charsMap) : undefined,
    addDummyPrefix: normalizer.dummyPrefix,
    removeExtraWhitespaces: normalizer.removeExtra,
    escapeWhitespaces: normalizer.escape,
  };
}

function readPiece(message: Uint8Array, field: string): { text: string; score: number; type: number } {
  const piece = { text: '', score: 0, type: PieceType.normal as number };
  for (const { number, value, bytes } of readProtobuf(message, field)) {
    if (number === 1 && bytes) piece.text = utf8(bytes);
    else if (number === 2) piece.score = value;
    else if (number === 3) piece.type = value;
  }
  if (piece.text === '') throw invalid(field, 'is empty');
  if (!(piece.type >= PieceType.normal && piece.type <= PieceType.byte)) throw invalid(field, `has the unknown type ${piece.type}`);
  return piece;
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/** SentencePiece scores a user-defined symbol by `bytes * best score - 0.1`, the best score being above 0 at least. */
export function userDefinedScores(spm: SentencePieceModel): Float64Array {
  const floatMin = 2 ** -126;
  const best = spm.scores.reduce((most, score, id) => (spm.types[id] === PieceType.normal ? Math.max(most, score) : most), floatMin);
  return spm.scores.map((score, id) =>
    spm.types[id] === PieceType.userDefined ? Math.fround(Math.fround(Buffer.byteLength(spm.pieces[id]) * best) - 0.1) : score,
  );
}
