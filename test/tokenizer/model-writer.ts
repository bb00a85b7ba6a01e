/** Writes small SentencePiece model files, valid or broken on purpose. */

export interface PieceOptions {
  text: string;
  score?: number;
  type?: number;
}

export interface ModelOptions {
  pieces: readonly PieceOptions[];
  modelType?: number;
  byteFallback?: boolean;
  asSuffix?: boolean;
  charsMap?: Uint8Array;
}

export function writeModel(options: ModelOptions): Buffer {
  const trainer = Buffer.concat([
    options.modelType === undefined ? Buffer.alloc(0) : varintField(3, options.modelType),
    options.asSuffix ? varintField(24, 1) : Buffer.alloc(0),
    options.byteFallback ? varintField(35, 1) : Buffer.alloc(0),
  ]);
  const normalizer = options.charsMap ? bytesField(2, options.charsMap) : Buffer.alloc(0);
  return Buffer.concat([...options.pieces.map((piece) => bytesField(1, pieceMessage(piece))), bytesField(2, trainer), bytesField(3, normalizer)]);
}

/** `<unk>`, `</s>` and the pieces given, with scores -1, -2, ... */
export function plainModel(...texts: string[]): Buffer {
  return writeModel({
    pieces: [{ text: '<unk>', type: 2 }, { text: '</s>', type: 3 }, ...texts.map((text, i) => ({ text, score: -1 - i }))],
  });
}

function pieceMessage({ text, score = 0, type }: PieceOptions): Buffer {
  const fixed = Buffer.alloc(5);
  fixed[0] = (2 << 3) | 5;
  fixed.writeFloatLE(score, 1);
  return Buffer.concat([bytesField(1, Buffer.from(text)), fixed, type === undefined ? Buffer.alloc(0) : varintField(3, type)]);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

export function varintField(number: number, value: number): Buffer {
  return Buffer.from([...varint(number << 3), ...varint(value)]);
}

export function bytesField(number: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([...varint((number << 3) | 2), ...varint(bytes.length)]), bytes]);
}
