import { describe, expect, test } from 'vitest';
import { MAX_HEADER_BYTES, parseSafetensorsHeader } from '../../lib/files/safetensors-header.ts';
import { failure, safetensorsBytes } from './support.ts';

const data = new Uint8Array(24);
const entry = (dtype: string, shape: unknown, offsets: unknown): object => ({ dtype, shape, data_offsets: offsets });
const parse = (header: unknown, size = data.byteLength) => {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  const bytes = safetensorsBytes(text, new Uint8Array(size));
  return parseSafetensorsHeader(bytes, bytes.byteLength);
};

describe('a valid header', () => {
  test('gives dtype, shape, absolute offset and length, whatever the order of the entries', () => {
    const header = { b: entry('F16', [2, 2], [16, 24]), __metadata__: { format: 'pt' }, a: entry('F32', [4], [0, 16]) };
    const { tensors, metadata, dataOffset } = parse(header);
    expect(dataOffset).toBe(8 + JSON.stringify(header).length);
    expect(tensors.get('a')).toEqual({ name: 'a', dtype: 'F32', shape: [4], byteOffset: dataOffset, byteLength: 16 });
    expect(tensors.get('b')).toEqual({ name: 'b', dtype: 'F16', shape: [2, 2], byteOffset: dataOffset + 16, byteLength: 8 });
    expect(metadata).toEqual({ format: 'pt' });
  });

  test('may hold scalars, empty tensors, trailing spaces and names of object properties', () => {
    const plain = JSON.stringify({ s: entry('F32', [], [0, 4]), e: entry('I64', [0, 3], [4, 4]) });
    const odd = JSON.stringify(entry('U8', [20], [4, 24]));
    const { tensors } = parse(`${plain.slice(0, -1)},"__proto__":${odd}}   `);
    expect(tensors.get('s')!.byteLength).toBe(4);
    expect(tensors.get('e')!.byteLength).toBe(0);
    expect(tensors.get('__proto__')!.shape).toEqual([20]);
    expect(parse('{}', 0).tensors.size).toBe(0);
  });
});

describe('the length field', () => {
  test('a file shorter than it is FILE_TRUNCATED', async () => {
    await failure(() => parseSafetensorsHeader(new Uint8Array(5), 5), 'FILE_TRUNCATED');
    await failure(() => parseSafetensorsHeader(new Uint8Array(0), 0), 'FILE_TRUNCATED');
  });
  test('a length past the end is FILE_TRUNCATED, an absurd one FILE_FORMAT', async () => {
    const withLength = (length: bigint) => safetensorsBytes('{}', new Uint8Array(0), length);
    await failure(() => parseSafetensorsHeader(withLength(3n), 10), 'FILE_TRUNCATED');
    await failure(() => parseSafetensorsHeader(withLength(BigInt(MAX_HEADER_BYTES) + 1n), 2 ** 40), 'FILE_FORMAT');
    await failure(() => parseSafetensorsHeader(withLength(2n ** 64n - 1n), 2 ** 40), 'FILE_FORMAT');
    await failure(() => parseSafetensorsHeader(withLength(0n), 10), 'FILE_FORMAT');
  });
});

describe('header text', () => {
  test.each(['[]', 'null', '"x"', ' {}', '{', '{"a":}', '{} x', ''])('%j is FILE_FORMAT', async (text) => {
    await failure(() => parse(text, 0), 'FILE_FORMAT');
  });
  test('bytes that are not UTF-8 are FILE_FORMAT', async () => {
    const bytes = safetensorsBytes(new Uint8Array([0x7b, 0x22, 0xc3, 0x22, 0x7d]), new Uint8Array(0));
    const error = await failure(() => parseSafetensorsHeader(bytes, bytes.byteLength), 'FILE_FORMAT');
    expect(error.message).toContain('UTF-8');
  });
  test('a lone surrogate in a name is FILE_FORMAT', async () => {
    await failure(() => parse('{"\\ud800":{"dtype":"U8","shape":[24],"data_offsets":[0,24]}}'), 'FILE_FORMAT');
  });
  test('a name that occurs twice is FILE_FORMAT, also when it is escaped differently', async () => {
    const value = JSON.stringify(entry('U8', [24], [0, 24]));
    const error = await failure(() => parse(`{"a":${value},"\\u0061" : ${value}}`), 'FILE_FORMAT');
    expect(error.message).toContain('twice');
    await failure(() => parse('{"a":{"dtype":"U8","dtype":"I8","shape":[24],"data_offsets":[0,24]}}'), 'FILE_FORMAT');
  });
  test('__metadata__ must map strings to strings', async () => {
    await failure(() => parse({ __metadata__: { n: 1 } }, 0), 'FILE_FORMAT', '__metadata__');
    await failure(() => parse({ __metadata__: ['a'] }, 0), 'FILE_FORMAT', '__metadata__');
  });
  test('a long hostile name does not become a long message', async () => {
    const error = await failure(() => parse({ ['x'.repeat(1e6)]: entry('F7', [1], [0, 1]) }), 'TENSOR_DTYPE');
    expect(error.message.length).toBeLessThan(1000);
  });
});

describe('an entry', () => {
  test.each([[1], ['x'], [null], [[]], [{ dtype: 'U8', shape: [24] , data_offsets: [0, 24], extra: 1 }]])(
    '%j is FILE_FORMAT',
    async (value) => {
      await failure(() => parse({ t: value }), 'FILE_FORMAT', 't');
    },
  );
  test.each(['F7', 'f32', 'toString', null, 5])('dtype %j is TENSOR_DTYPE', async (dtype) => {
    await failure(() => parse({ t: entry(dtype as string, [24], [0, 24]) }), 'TENSOR_DTYPE', 't');
  });
  test.each([[[-1]], [[1.5]], [['24']], ['24'], [null], [[2 ** 53]], [[2 ** 30, 2 ** 30]], [[0, 2 ** 52]]])(
    'shape %j is TENSOR_SHAPE',
    async (shape) => {
      await failure(() => parse({ t: entry('F32', shape, [0, 24]) }), 'TENSOR_SHAPE', 't');
    },
  );
  test.each([[[24, 0]], [[0]], [[0, 12, 24]], [[-24, 0]], [[0.5, 24.5]], [null], [['0', '24']], [[2 ** 53, 2 ** 53 + 24]]])(
    'data_offsets %j is TENSOR_RANGE',
    async (offsets) => {
      await failure(() => parse({ t: entry('U8', [24], offsets) }), 'TENSOR_RANGE', 't');
    },
  );
  test('a zero does not hide dimensions that overflow', async () => {
    await failure(() => parse({ t: entry('F32', [0, 2 ** 52], [0, 0]) }, 0), 'TENSOR_SHAPE', 't');
  });
  test('bytes that disagree with dtype and shape are TENSOR_SHAPE', async () => {
    await failure(() => parse({ t: entry('F32', [5], [0, 24]) }), 'TENSOR_SHAPE', 't');
  });
});

describe('coverage of the data', () => {
  test('overlap, hole and a tail that no tensor claims are TENSOR_RANGE', async () => {
    const overlap = { a: entry('U8', [16], [0, 16]), b: entry('U8', [12], [12, 24]) };
    expect((await failure(() => parse(overlap), 'TENSOR_RANGE', 'b')).message).toContain('overlaps');
    const hole = { a: entry('U8', [8], [0, 8]), b: entry('U8', [12], [12, 24]) };
    expect((await failure(() => parse(hole), 'TENSOR_RANGE', 'b')).message).toContain('hole of 4');
    await failure(() => parse({ a: entry('U8', [24], [0, 24]) }, 25), 'TENSOR_RANGE');
    await failure(() => parse({ a: entry('U8', [20], [4, 24]) }), 'TENSOR_RANGE', 'a');
  });
  test('a tensor past the end of the file is FILE_TRUNCATED and is named', async () => {
    await failure(() => parse({ a: entry('U8', [24], [0, 24]), b: entry('U8', [1], [24, 25]) }), 'FILE_TRUNCATED', 'b');
  });
});
