import { HypertuneError } from '../engine/errors.ts';

/** Wire types of Protocol Buffers: https://protobuf.dev/programming-guides/encoding */
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** One field of a message. `bytes` is set for length-delimited fields, `value` for the others. */
export interface ProtobufField {
  number: number;
  value: number;
  bytes?: Uint8Array;
}

/**
 * Reads the fields of one message in file order. Fixed 32-bit values are read as float, varints beyond 2^53 as
 * the nearest double, negative int32 as such.
 * @throws HypertuneError FILE_TRUNCATED, FILE_FORMAT
 */
export function* readProtobuf(message: Uint8Array, what: string): Generator<ProtobufField> {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  let at = 0;

  const advance = (length: number): number => {
    if (length > message.length - at) {
      throw new HypertuneError('FILE_TRUNCATED', `${length} bytes expected at byte ${at} of ${message.length}.`, {
        field: what,
        remedy: 'Copy the file again, in binary mode.',
      });
    }
    const start = at;
    at += length;
    return start;
  };
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message[advance(1)];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw malformed(what, `a number longer than 10 bytes at byte ${at}`);
  };

  while (at < message.length) {
    const tag = Number(varint());
    const number = Math.floor(tag / 8);
    if (number === 0) throw malformed(what, `field number 0 at byte ${at}`);
    switch (tag % 8) {
      case VARINT:
        yield { number, value: Number(BigInt.asIntN(64, varint())) };
        break;
      case FIXED64:
        yield { number, value: view.getFloat64(advance(8), true) };
        break;
      case BYTES: {
        const length = Number(varint());
        const start = advance(length);
        yield { number, value: NaN, bytes: message.subarray(start, start + length) };
        break;
      }
      case FIXED32:
        yield { number, value: view.getFloat32(advance(4), true) };
        break;
      default:
        throw malformed(what, `wire type ${tag % 8} of field ${number} at byte ${at}`);
    }
  }
}

function malformed(what: string, message: string): HypertuneError {
  return new HypertuneError('FILE_FORMAT', `not a valid protobuf message: ${message}.`, {
    field: what,
    remedy: 'A SentencePiece .model file is expected.',
  });
}
