import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Tokenizer } from '../../lib/tokenizer/tokenizer.ts';
import { fixturePath, goldens, readFixture, sentencePiece, shipped, shippedJson } from './fixtures.ts';
import { writeModel } from './model-writer.ts';

const tokenizer = shipped();
/** Milliseconds that even a busy machine does not need for 100,000 units. */
const LONG = 60_000;
const LONE_SURROGATE = /\p{Surrogate}/u;

describe('vocabulary', () => {
  test('counts sentinels, the first one being the last id', () => {
    expect(tokenizer.vocabSize).toBe(4100);
    expect(tokenizer.sentinelId(0)).toBe(4099);
    expect(tokenizer.sentinelId(99)).toBe(4000);
    expect(tokenizer.idToPiece(4099)).toBe('<extra_id_0>');
  });

  test('maps every id to its piece and back', () => {
    for (let id = 0; id < tokenizer.vocabSize; id++) expect(tokenizer.pieceToId(tokenizer.idToPiece(id))).toBe(id);
    expect(tokenizer.pieceToId('no such piece')).toBeUndefined();
  });

  test('has -1 for special pieces that a model lacks', () => {
    const bare = Tokenizer.fromSentencePiece(writeModel({ pieces: [{ text: 'a', score: -1 }, { text: '<unk>', type: 2 }] }), { sentinels: 2 });
    expect([bare.padId, bare.eosId, bare.unkId, bare.vocabSize]).toEqual([-1, -1, 1, 4]);
    expect([...bare.encode('aa')]).toEqual([1, 0, 0]); // no </s> to append; the dummy prefix is unknown
  });

  test('a model with sentinels of its own gets no more', () => {
    const model = writeModel({ pieces: [{ text: '<unk>', type: 2 }, { text: '<extra_id_0>', type: 4 }, { text: '▁', score: -1 }] });
    expect(Tokenizer.fromSentencePiece(model).vocabSize).toBe(3);
  });
});

describe('encode', () => {
  test('appends </s> unless told otherwise', () => {
    const ids = [...tokenizer.encode('Hello')];
    expect(ids.at(-1)).toBe(tokenizer.eosId);
    expect([...tokenizer.encode('Hello', { addSpecialTokens: false })]).toEqual(ids.slice(0, -1));
    expect([...tokenizer.encode('')]).toEqual([1]);
    expect(tokenizer.encode('', { addSpecialTokens: false })).toEqual(new Int32Array(0));
  });

  test('finds sentinels in text', () => {
    const ids = sentencePiece('t5style-4k', 100).encode('The <extra_id_0> walks in<extra_id_1>');
    expect([ids[1], ids[ids.length - 2]]).toEqual([4099, 4098]);
  });

  test('takes lone surrogates for U+FFFD', () => {
    for (const lone of ['a\ud800b', 'a\udc00b']) expect(tokenizer.encode(lone)).toEqual(tokenizer.encode('a\ufffdb'));
    expect(tokenizer.encode('\udc00\ud800')).toEqual(tokenizer.encode('\ufffd\ufffd'));
    expect(tokenizer.encode('🙂')).not.toEqual(tokenizer.encode('\ufffd'));
  });

  test('keeps NUL as a byte', () => {
    expect([...tokenizer.encode('a\0b')]).toContain(tokenizer.pieceToId('<0x00>'));
    expect(tokenizer.decode(tokenizer.encode('a\0b'))).toBe('a\0b');
  });

  test('gives the same ids again, whatever was encoded between', () => {
    const first = tokenizer.encode('some text');
    tokenizer.encode('日本語 '.repeat(500));
    expect(tokenizer.encode('some text')).toEqual(first);
  });

  // Quadratic work anywhere takes minutes here, where linear work takes a fraction of a second.
  test.each([
    ['one letter', 'a'.repeat(100_000)],
    ['ideographs', '日'.repeat(100_000)],
    ['accents on one letter', `e${'\u0316'.repeat(100_000)}`],
    ['clusters after a long one', `क${'\u094d'.repeat(20_000)}${'की'.repeat(40_000)}`],
    ['emoji', '🙂'.repeat(50_000)],
    ['flags', '🇩🇪'.repeat(25_000)],
    ['beginnings of a sentinel', '<extra_id_'.repeat(10_000)],
  ])('copes with 100,000 units of %s', (_, text) => {
    expect(tokenizer.decode(tokenizer.encode(text)) === text).toBe(true);
  }, LONG);

  test.each([' ', '\r\n', '\ud800'])('copes with 100,000 units of white space: %j', (unit) => {
    expect([...tokenizer.encode(`a${unit.repeat(100_000 / unit.length)}b`)]).toEqual([...tokenizer.encode('a b')]);
  }, LONG);

  test('copes with 100,000 units in SentencePiece\'s way', () => {
    const model = sentencePiece('t5style-4k');
    for (const text of ['日本'.repeat(50_000), 'word '.repeat(20_000).trim()]) expect(model.decode(model.encode(text)) === text).toBe(true);
  }, LONG);
});

describe('offsets', () => {
  test('name the text of each token', () => {
    const text = 'The ﬁne日 <extra_id_3> 🙂.';
    const { ids, offsets } = tokenizer.encodeWithOffsets(text);
    const parts = [...ids].map((id, i) => [tokenizer.idToPiece(id), text.slice(offsets[2 * i], offsets[2 * i + 1])]);
    expect(parts).toContainEqual(['▁The', 'The']);
    expect(parts).toContainEqual(['<extra_id_3>', '<extra_id_3>']);
    expect(parts.filter(([, part]) => part === '日')).toHaveLength(3); // its UTF-8 bytes
    expect(parts.filter(([piece, part]) => part === '🙂' && piece.startsWith('<0x'))).toHaveLength(4);
    expect(parts.at(-1)).toEqual(['</s>', '']);
  });

  test('lie within the text, in order, and cut no character', () => {
    for (const each of [tokenizer, sentencePiece('t5style-16k', 100), sentencePiece('spaces-kept')]) {
      for (const text of goldens.texts) {
        const { ids, offsets } = each.encodeWithOffsets(text, { addSpecialTokens: false });
        expect(ids).toEqual(each.encode(text, { addSpecialTokens: false }));
        const starts = offsets.filter((_, i) => i % 2 === 0);
        expect(starts, JSON.stringify(text)).toEqual(starts.toSorted());
        const cut: string[] = [];
        starts.forEach((start, i) => {
          const end = offsets[2 * i + 1];
          if (start > end || end > text.length || LONE_SURROGATE.test(text.slice(start, end))) cut.push(`${start}-${end}`);
        });
        expect(cut, JSON.stringify(text)).toEqual([]);
      }
    }
  });
});

describe('files', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tokenizer-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('the shipped tokenizer.json is what the SentencePiece model saves, byte for byte', async () => {
    const path = join(folder, 'tokenizer.json');
    const model = await Tokenizer.fromFile(fixturePath('t5style-4k.model'));
    await model.save(path);
    expect(await readFile(path, 'utf8')).toBe(readFixture('t5style-4k/tokenizer.json').toString('utf8'));
  });

  test('a tokenizer.json is saved as it was read', async () => {
    const path = join(folder, 'tokenizer.json');
    await tokenizer.save(path);
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual(shippedJson());
    expect((await Tokenizer.fromFolder(folder)).encode('Hello')).toEqual(tokenizer.encode('Hello'));
  });

  test('a folder: tokenizer.json goes before spiece.model, which goes before tokenizer.model', async () => {
    await writeFile(join(folder, 'tokenizer.model'), readFixture('no-prefix.model'));
    expect((await Tokenizer.fromFolder(folder, { sentinels: 0 })).vocabSize).toBe(sentencePiece('no-prefix').vocabSize);
    await writeFile(join(folder, 'spiece.model'), readFixture('t5style-16k.model'));
    expect((await Tokenizer.fromFolder(folder)).vocabSize).toBe(16_100);
    await writeFile(join(folder, 'tokenizer.json'), readFixture('t5style-4k/tokenizer.json'));
    expect((await Tokenizer.fromFolder(folder)).vocabSize).toBe(4100);
  });

  test('tokenizer_config.json names the special pieces', async () => {
    await writeFile(join(folder, 'tokenizer.json'), readFixture('t5style-4k/tokenizer.json'));
    await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify({ eos_token: { content: '<extra_id_7>' }, pad_token: '<unk>' }));
    const named = await Tokenizer.fromFolder(folder);
    expect([named.eosId, named.padId]).toEqual([4092, 2]);
  });
});
