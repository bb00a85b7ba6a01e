import { describe, expect, test } from 'vitest';
import { isDtype, isFloatDtype, toBfloat16, toFloat32 } from '../../lib/files/dtypes.ts';

/** Every 16-bit pattern, little-endian. */
const patterns = new Uint8Array(2 * 65536);
for (let i = 0; i < 65536; i++) new DataView(patterns.buffer).setUint16(2 * i, i, true);

/** The value of a binary16 pattern by its definition. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * 2 ** -14 * fraction : sign * 2 ** (exponent - 15) * (1 + fraction);
}

describe('toFloat32', () => {
  test('F16 is exact for all 65536 patterns, subnormals, signed zeros, infinities and NaN included', () => {
    const floats = toFloat32(patterns, 'F16');
    const wrong: number[] = [];
    for (let i = 0; i < 65536; i++) if (!Object.is(floats[i], halfValue(i))) wrong.push(i);
    expect(wrong).toEqual([]);
    expect(floats[0x0001]).toBe(2 ** -24);
    expect(Object.is(floats[0x8000], -0)).toBe(true);
    expect(floats[0x7bff]).toBe(65504);
  });

  test('BF16 is the upper half of F32 for all 65536 patterns, NaN payloads included', () => {
    const bits = new Uint32Array(toFloat32(patterns, 'BF16').buffer);
    const wrong: number[] = [];
    for (let i = 0; i < 65536; i++) if (bits[i] !== i * 65536) wrong.push(i);
    expect(wrong).toEqual([]);
  });

  test('F32 keeps every bit and reads from an unaligned view', () => {
    const padded = new Uint8Array([0xaa, 0x00, 0x00, 0xa0, 0x7f, 0x01, 0x00, 0x00, 0x80]);
    const floats = toFloat32(padded.subarray(1), 'F32');
    expect([...new Uint32Array(floats.buffer)]).toEqual([0x7fa00000, 0x80000001]);
    expect(floats.buffer).not.toBe(padded.buffer);
  });

  test('refuses half an element', () => {
    expect(() => toFloat32(new Uint8Array(3), 'BF16')).toThrow(RangeError);
  });
});

describe('toBfloat16', () => {
  test('is the inverse of reading for every pattern, except that a signalling NaN turns quiet', () => {
    const back = toBfloat16(toFloat32(patterns, 'BF16'));
    const wrong: number[] = [];
    for (let i = 0; i < 65536; i++) {
      const isNan = (i & 0x7fff) > 0x7f80;
      if (back[i] !== (isNan ? i | 0x40 : i)) wrong.push(i);
    }
    expect(wrong).toEqual([]);
  });

  test('rounds to nearest, ties to even, and over the largest value to infinity', () => {
    const bits = new Uint32Array([0x3f807fff, 0x3f808000, 0x3f808001, 0x3f818000, 0x7f7f8000, 0x7f800001, 0x00008001]);
    expect([...toBfloat16(new Float32Array(bits.buffer))]).toEqual([0x3f80, 0x3f80, 0x3f81, 0x3f82, 0x7f80, 0x7fc0, 0x0001]);
  });
});

test('dtype names are recognised, and inherited property names are not', () => {
  expect(isDtype('BF16')).toBe(true);
  expect(isDtype('toString')).toBe(false);
  expect(isFloatDtype('F64')).toBe(false);
});
