import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ErrorCode } from '../../lib/engine/errors.ts';
import { CharsMap } from '../../lib/tokenizer/chars-map.ts';
import { Tokenizer } from '../../lib/tokenizer/tokenizer.ts';
import { readFixture, shipped, shippedJson } from './fixtures.ts';
import { bytesField, plainModel, varintField, writeModel } from './model-writer.ts';

function failure(code: ErrorCode, field?: string): unknown {
  return expect.objectContaining({ name: 'HypertuneError', code, ...(field === undefined ? {} : { field }) });
}

describe('files', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tokenizer-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('that are not there', async () => {
    await expect(Tokenizer.fromFile(join(folder, 'tokenizer.json'))).rejects.toThrow(failure('FILE_NOT_FOUND'));
    await expect(Tokenizer.fromFile(join(folder, 'spiece.model'))).rejects.toThrow(failure('FILE_NOT_FOUND'));
    await expect(Tokenizer.fromFolder(folder)).rejects.toThrow(failure('FILE_NOT_FOUND', folder));
    await expect(Tokenizer.fromFolder(join(folder, 'nowhere'))).rejects.toThrow(failure('FILE_NOT_FOUND'));
  });

  test('that cannot be read or written', async () => {
    await expect(Tokenizer.fromFile(folder)).rejects.toThrow(failure('FILE_IO', folder));
    await expect(shipped().save(join(folder, 'nowhere', 'tokenizer.json'))).rejects.toThrow(failure('FILE_IO'));
  });

  test.each(['', '{"model": ', 'not json', '\xff\xfe'])('that are no JSON: %j', async (contents) => {
    const path = join(folder, 'tokenizer.json');
    await writeFile(path, contents, 'latin1');
    await expect(Tokenizer.fromFolder(folder)).rejects.toThrow(failure('FILE_FORMAT'));
  });

  test('a damaged tokenizer_config.json', async () => {
    await writeFile(join(folder, 'spiece.model'), plainModel('a'));
    await writeFile(join(folder, 'tokenizer_config.json'), '{"eos_token": 5}');
    await expect(Tokenizer.fromFolder(folder)).rejects.toThrow(failure('CONFIG_INVALID', 'eos_token'));
  });
});

describe('tokenizer.json', () => {
  const tiny = {
    model: { type: 'Unigram', unk_id: 0, vocab: [['<unk>', 0], ['a', -1], ['b', -2.5]] as unknown[], byte_fallback: false },
  };
  const withModel = (change: object): unknown => ({ ...tiny, model: { ...tiny.model, ...change } });
  const withVocab = (...pieces: unknown[]): unknown => withModel({ vocab: [['<unk>', 0], ...pieces] });

  test('the least one works', () => {
    expect([...Tokenizer.fromJSON(tiny).encode('abx')]).toEqual([1, 2, 0]);
  });

  test.each(['BPE', 'WordPiece', 'WordLevel'])('refuses the model %s', (type) => {
    expect(() => Tokenizer.fromJSON(withModel({ type, vocab: { a: 0 } }))).toThrow(failure('CONFIG_UNSUPPORTED', 'model.type'));
  });

  test.each<[string, unknown, ErrorCode, string]>([
    ['no object', [], 'CONFIG_INVALID', 'tokenizer.json'],
    ['no model', {}, 'CONFIG_INVALID', 'model'],
    ['no vocabulary', withModel({ vocab: undefined }), 'CONFIG_INVALID', 'model.vocab'],
    ['no unknown id', withModel({ unk_id: null }), 'CONFIG_INVALID', 'model.unk_id'],
    ['an unknown id outside', withModel({ unk_id: 3 }), 'CONFIG_INVALID', 'model.unk_id'],
    ['a piece twice', withVocab(['a', -1], ['a', -2]), 'CONFIG_INVALID', 'model.vocab[2]'],
    ['a score that is null', withVocab(['a', null]), 'CONFIG_INVALID', 'model.vocab[1]'],
    ['a score that is NaN', withVocab(['a', NaN]), 'CONFIG_INVALID', 'model.vocab[1]'],
    ['a piece that is no string', withVocab([5, -1]), 'CONFIG_INVALID', 'model.vocab[1]'],
    ['a piece that is no pair', withVocab('a'), 'CONFIG_INVALID', 'model.vocab[1]'],
    ['byte fallback without bytes', withModel({ byte_fallback: true }), 'CONFIG_INVALID', 'model.vocab'],
    ['an added token with the id of another', { ...tiny, added_tokens: [{ id: 1, content: 'b' }] }, 'CONFIG_INVALID', 'added_tokens, "b"'],
    ['an added token behind a gap', { ...tiny, added_tokens: [{ id: 4, content: 'c' }] }, 'CONFIG_INVALID', 'added_tokens, "c"'],
    ['an added token without id', { ...tiny, added_tokens: [{ content: 'c' }] }, 'CONFIG_INVALID', 'added_tokens[0].id'],
    ['another normalizer', { ...tiny, normalizer: { type: 'BertNormalizer' } }, 'CONFIG_UNSUPPORTED', 'normalizer.type'],
    ['a normalizer without type', { ...tiny, normalizer: {} }, 'CONFIG_INVALID', 'normalizer.type'],
    [
      'another normalizer within a sequence',
      { ...tiny, normalizer: { type: 'Sequence', normalizers: [{ type: 'NFKC' }, { type: 'Nmt' }] } },
      'CONFIG_UNSUPPORTED',
      'normalizer.normalizers[1].type',
    ],
    [
      'a regular expression of another dialect',
      { ...tiny, normalizer: { type: 'Replace', pattern: { Regex: '(?>a)' }, content: '' } },
      'CONFIG_UNSUPPORTED',
      'normalizer.pattern',
    ],
    ['a short character map', { ...tiny, normalizer: { type: 'Precompiled', precompiled_charsmap: 'AAAA' } }, 'FILE_FORMAT', 'precompiled_charsmap'],
    ['another pre-tokenizer', { ...tiny, pre_tokenizer: { type: 'ByteLevel' } }, 'CONFIG_UNSUPPORTED', 'pre_tokenizer.type'],
    [
      'a scheme that is none',
      { ...tiny, pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'last' } },
      'CONFIG_INVALID',
      'pre_tokenizer.prepend_scheme',
    ],
    [
      'a prefix both wanted and not',
      { ...tiny, pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', add_prefix_space: false } },
      'CONFIG_INVALID',
      'pre_tokenizer.add_prefix_space',
    ],
    ['another post-processor', { ...tiny, post_processor: { type: 'BertProcessing' } }, 'CONFIG_UNSUPPORTED', 'post_processor.type'],
    ['a template without text', { ...tiny, post_processor: { type: 'TemplateProcessing', single: [] } }, 'CONFIG_INVALID', 'post_processor.single'],
    [
      'a template with an id outside',
      {
        ...tiny,
        post_processor: {
          type: 'TemplateProcessing',
          single: [{ Sequence: { id: 'A' } }, { SpecialToken: { id: '</s>' } }],
          special_tokens: { '</s>': { ids: [3] } },
        },
      },
      'CONFIG_INVALID',
      'post_processor.special_tokens.</s>.ids',
    ],
    ['another decoder', { ...tiny, decoder: { type: 'WordPiece' } }, 'CONFIG_UNSUPPORTED', 'decoder.type'],
    [
      'a decoder that strips the end',
      { ...tiny, decoder: { type: 'Sequence', decoders: [{ type: 'Fuse' }, { type: 'Strip', content: ' ', start: 0, stop: 1 }] } },
      'CONFIG_UNSUPPORTED',
      'decoder.decoders[1].stop',
    ],
  ])('%s', (_, json, code, field) => {
    expect(() => Tokenizer.fromJSON(json)).toThrow(failure(code, field));
  });

  test('any one value replaced by nonsense gives a typed error or a tokenizer', () => {
    const base = JSON.stringify({ ...shippedJson(), model: tiny.model, added_tokens: [], normalizer: { type: 'Strip' } });
    const values = [...base.matchAll(/(?<=:)("[^"]*"|\d+|true|false|null)/g)];
    expect(values.length).toBeGreaterThan(20);
    for (const { index, 0: old } of values) {
      for (const nonsense of ['-7', '{}', '[]', '"x"', '1e99']) {
        const json: unknown = JSON.parse(base.slice(0, index) + nonsense + base.slice(index + old.length));
        try {
          expect(Tokenizer.fromJSON(json).encode('ab').length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toHaveProperty('name', 'HypertuneError');
        }
      }
    }
  });
});

describe('SentencePiece model', () => {
  const unknown = { text: '<unk>', type: 2 };
  const parse = (bytes: Uint8Array) => () => Tokenizer.fromSentencePiece(bytes);

  test.each([
    [2, 'BPE'],
    [3, 'word'],
    [4, 'character'],
    [9, '9'],
  ])('refuses the model type %i', (modelType, name) => {
    const refused = parse(writeModel({ pieces: [unknown], modelType }));
    expect(refused).toThrow(failure('CONFIG_UNSUPPORTED', 'trainer_spec.model_type'));
    expect(refused).toThrow(name);
  });

  test('cut anywhere gives a typed error or a tokenizer', () => {
    const file = plainModel('a', 'bcd', '▁');
    let truncated = 0;
    for (let length = 0; length < file.length; length++) {
      try {
        parse(file.subarray(0, length))();
      } catch (error) {
        expect(error, `${length} bytes`).toEqual(expect.objectContaining({ code: expect.stringMatching(/^(FILE_|CONFIG_)/) as unknown }));
        if ((error as { code: string }).code === 'FILE_TRUNCATED') truncated++;
      }
    }
    expect(truncated).toBeGreaterThan(file.length / 2);
    expect(parse(readFixture('t5style-16k.model').subarray(0, 400_000))).toThrow(failure('FILE_TRUNCATED'));
  });

  test.each<[string, Uint8Array, ErrorCode]>([
    ['nothing', Buffer.alloc(0), 'FILE_FORMAT'],
    ['JSON', Buffer.from('{"model": {}}'), 'FILE_FORMAT'],
    ['an endless number', Buffer.alloc(12, 0xff), 'FILE_FORMAT'],
    ['field 0', Buffer.from([0x00, 0x00]), 'FILE_FORMAT'],
    ['no unknown piece', writeModel({ pieces: [{ text: 'a' }] }), 'CONFIG_INVALID'],
    ['two unknown pieces', writeModel({ pieces: [unknown, { text: '<unk2>', type: 2 }] }), 'CONFIG_INVALID'],
    ['a piece twice', plainModel('a', 'a'), 'CONFIG_INVALID'],
    ['an empty piece', plainModel(''), 'CONFIG_INVALID'],
    ['a score that is NaN', writeModel({ pieces: [unknown, { text: 'a', score: NaN }] }), 'CONFIG_INVALID'],
    ['an infinite score', writeModel({ pieces: [unknown, { text: 'a', score: -Infinity }] }), 'CONFIG_INVALID'],
    ['a piece of no known type', writeModel({ pieces: [unknown, { text: 'a', type: 7 }] }), 'CONFIG_INVALID'],
    ['byte fallback without bytes', writeModel({ pieces: [unknown], byteFallback: true }), 'CONFIG_INVALID'],
    ['white space as suffix', writeModel({ pieces: [unknown], asSuffix: true }), 'CONFIG_UNSUPPORTED'],
    ['a damaged character map', writeModel({ pieces: [unknown], charsMap: Buffer.from([9, 0, 0, 0, 1]) }), 'FILE_FORMAT'],
  ])('%s', (_, bytes, code) => {
    expect(parse(bytes)).toThrow(failure(code));
  });

  test('skips fields that it does not know', () => {
    const extra = Buffer.concat([varintField(90, 5), bytesField(91, Buffer.from('future')), plainModel('a')]);
    expect(Tokenizer.fromSentencePiece(extra, { sentinels: 0 }).vocabSize).toBe(3);
  });

  test.each([-1, 0.5, NaN])('%d sentinels', (sentinels) => {
    expect(() => Tokenizer.fromSentencePiece(plainModel('a'), { sentinels })).toThrow(failure('CONFIG_INVALID', 'sentinels'));
  });

  test('cannot be exported with pieces that a tokenizer.json has no words for', () => {
    const unused = writeModel({ pieces: [unknown, { text: 'a', score: -1 }, { text: 'b', type: 5 }] });
    expect(() => Tokenizer.fromSentencePiece(unused).toJSON()).toThrow(failure('CONFIG_UNSUPPORTED'));
    const spaced = writeModel({ pieces: [unknown, { text: 'a', score: -1 }, { text: 'b▁c', type: 4 }] });
    expect(() => Tokenizer.fromSentencePiece(spaced).toJSON()).toThrow(failure('CONFIG_UNSUPPORTED'));
  });
});

test('a character map whose rules point nowhere', () => {
  // One rule for "a": its leaf's value lies behind the pool.
  const units = new Uint32Array(256).fill(0);
  units[0] = 1 << 10; // root: children at 1
  const child = 1 ^ 0x61;
  units[child] = (2 << 10) | (1 << 8) | 0x61;
  units[child ^ 2] = 0x80000000 + 77;
  const trie = Buffer.from(units.buffer);
  const map = new CharsMap(Buffer.concat([Buffer.from(Uint32Array.of(trie.length).buffer), trie, Buffer.from('x\0')]));
  expect(() => map.match('a', 0, 1, true)).toThrow(failure('FILE_FORMAT', 'precompiled_charsmap'));
  expect(map.match('b', 0, 1, true)).toBeUndefined();
});

describe('calls', () => {
  const tokenizer = shipped();

  test('encode of what is no string', () => {
    expect(() => tokenizer.encode(undefined as unknown as string)).toThrow(failure('ARGUMENT_INVALID', 'text'));
  });

  test('a sentinel that is not there', () => {
    expect(() => tokenizer.sentinelId(100)).toThrow(failure('ARGUMENT_RANGE', 'k'));
    expect(() => tokenizer.sentinelId(-1)).toThrow(failure('ARGUMENT_RANGE', 'k'));
  });

  test.each([-1, 4100, 0.5])('the piece of id %d', (id) => {
    expect(() => tokenizer.idToPiece(id)).toThrow(failure('ARGUMENT_RANGE', 'id'));
  });
});
