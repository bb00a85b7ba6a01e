import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { lines } from '../../lib/data/lines.ts';
import { collect, folderOf } from './files.ts';

const all = (name: string, content: string | Uint8Array, options = {}) => collect(lines(path.join(folderOf({ [name]: content }), name), options));

describe('lines', () => {
  test.each(['a.txt', 'a.txt.gz'])('%s: CR LF, byte order mark, no last line end, blank lines', async (name) => {
    expect(await all(name, '\uFEFFone\r\n\r\ntwo \uFEFF\nthree')).toEqual([
      { number: 1, text: 'one' },
      { number: 2, text: '' },
      { number: 3, text: 'two \uFEFF' },
      { number: 4, text: 'three' },
    ]);
    expect(await all(name, 'a\n')).toEqual([{ number: 1, text: 'a' }]);
  });

  test('lines and characters that cross chunks arrive whole', async () => {
    const text = Array.from({ length: 40_000 }, (_, i) => `${i} Grüße 🦊 ${'é'.repeat(i % 17)}`);
    expect((await all('a.txt.gz', text.join('\n'))).map((line) => 'text' in line && line.text)).toEqual(text);
  });

  test('lines that are no UTF-8 or too long are problems, the others stay', async () => {
    const bytes = Buffer.concat([Buffer.from('good\n'), Buffer.from([0xff, 0xfe, 10]), Buffer.from(`\uFFFD is a character\n${'x'.repeat(700_000)}\nlast`)]);
    const [good, bad, real, long, last] = await all('a.txt', bytes, { maxLineBytes: 1000 });
    expect(good).toEqual({ number: 1, text: 'good' });
    expect(bad).toEqual({ number: 2, problem: 'not UTF-8 text' });
    expect(real).toEqual({ number: 3, text: '\uFFFD is a character' });
    expect(long).toEqual({ number: 4, problem: 'the line has more than 1000 bytes' });
    expect(last).toEqual({ number: 5, text: 'last' });
  });

  test('what is wrong with a file has a code', async () => {
    const whole = gzipSync('some text that is long enough\n'.repeat(500));
    const failed = (name: string, content: Uint8Array) => expect(all(name, content)).rejects;
    await failed('half.gz', whole.subarray(0, whole.length / 2)).toMatchObject({ code: 'FILE_TRUNCATED', message: expect.stringContaining('half.gz') });
    await failed('none.gz', new Uint8Array()).toMatchObject({ code: 'FILE_TRUNCATED' });
    await failed('plain.gz', Buffer.from('not compressed')).toMatchObject({ code: 'FILE_FORMAT', message: expect.stringContaining('plain.gz') });
    const flipped = Uint8Array.from(whole);
    flipped[flipped.length - 6] ^= 1; // the checksum
    await failed('flipped.gz', flipped).toMatchObject({ code: 'FILE_FORMAT' });
    await expect(collect(lines('/does/not/exist.gz'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(collect(lines(folderOf({})))).rejects.toMatchObject({ code: 'FILE_IO' });
  });

  test('an abort in the middle stops the reading', async () => {
    const file = path.join(folderOf({}), 'a.txt');
    writeFileSync(file, 'line\n'.repeat(400_000));
    const controller = new AbortController();
    const reader = lines(file, { signal: controller.signal });
    await reader.next();
    controller.abort();
    await expect(collect(reader)).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
