/** Lines of a text file, plain or gzip-compressed, a few hundred kilobytes at a time: memory does not grow with the file. */
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { pipeline } from 'node:stream';
import type { Readable } from 'node:stream';
import { HypertuneError } from '../engine/errors.ts';

/** A line without its end, or what is wrong with it. */
export type Line = { readonly number: number; readonly text: string } | { readonly number: number; readonly problem: string };

export interface LineOptions {
  /** Longer lines are problems; they are skipped without being held in memory. Default 16 MiB. */
  maxLineBytes?: number;
  signal?: AbortSignal;
}

const DEFAULT_MAX_LINE_BYTES = 1 << 24;
const [LF, CR] = [10, 13];
export const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** The abort, or what the operating system or zlib says, as an error of ours that names the file. */
export function readError(file: string, cause: unknown, signal?: AbortSignal): HypertuneError {
  if (cause instanceof HypertuneError) return cause;
  if (signal?.aborted) return new HypertuneError('ABORTED', `reading ${file} was aborted.`, { field: 'signal', cause: signal.reason });
  const { code, message } = cause as NodeJS.ErrnoException;
  const details = { field: 'path', cause };
  if (code === 'ENOENT') return new HypertuneError('FILE_NOT_FOUND', `${file} does not exist.`, details);
  if (code === 'Z_BUF_ERROR') {
    return new HypertuneError('FILE_TRUNCATED', `${file}: the gzip stream ends too early.`, { ...details, remedy: 'Copy or compress the file again.' });
  }
  if (typeof code === 'string' && code.startsWith('Z_')) {
    return new HypertuneError('FILE_FORMAT', `${file}: the gzip stream is damaged: ${message}.`, { ...details, remedy: 'Copy or compress the file again.' });
  }
  return new HypertuneError('FILE_IO', `cannot read ${file}: ${message}.`, details);
}

/** The bytes of a file, decompressed where its name ends in `.gz`. Throws as `lines`. */
export async function* chunks(file: string, signal?: AbortSignal): AsyncGenerator<Buffer> {
  const raw = createReadStream(file, { highWaterMark: 1 << 18 });
  let source: Readable = raw;
  if (file.endsWith('.gz')) source = pipeline(raw, createGunzip(), () => undefined); // errors come out of the iteration
  try {
    for await (const chunk of source) {
      signal?.throwIfAborted();
      yield chunk as Buffer;
    }
    signal?.throwIfAborted();
    if (file.endsWith('.gz') && raw.bytesRead === 0) throw Object.assign(new Error('no bytes'), { code: 'Z_BUF_ERROR' });
  } catch (cause) {
    throw readError(file, cause, signal);
  } finally {
    source.destroy();
    raw.destroy();
  }
}

/**
 * Lines, as many at once as a chunk of the file holds. They end at LF or CR LF; a byte order mark is skipped. A line that is not UTF-8 or too long comes as a problem.
 * Throws FILE_NOT_FOUND, FILE_IO, FILE_TRUNCATED or FILE_FORMAT (gzip cut short or damaged), ABORTED.
 */
export async function* lines(file: string, { maxLineBytes = DEFAULT_MAX_LINE_BYTES, signal }: LineOptions = {}): AsyncGenerator<Line[]> {
  let number = 0;
  let pieces: Buffer[] = [];
  let length = 0;
  const add = (piece: Buffer) => {
    length += piece.length;
    if (length > maxLineBytes) pieces = [];
    else if (piece.length > 0) pieces.push(piece);
  };
  const finish = (): Line => {
    number++;
    const total = length;
    let bytes = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
    [pieces, length] = [[], 0];
    if (total > maxLineBytes) return { number, problem: `the line has more than ${maxLineBytes} bytes` };
    if (number === 1 && bytes.subarray(0, 3).equals(BYTE_ORDER_MARK)) bytes = bytes.subarray(3);
    if (bytes.at(-1) === CR) bytes = bytes.subarray(0, -1);
    const text = bytes.toString('utf8');
    // the fast decoder replaces what is not UTF-8, so only a line with replacement characters needs the strict one
    return text.includes('\uFFFD') && !isUtf8(bytes) ? { number, problem: 'not UTF-8 text' } : { number, text };
  };
  for await (const chunk of chunks(file, signal)) {
    const batch: Line[] = [];
    let from = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, from)) {
      add(chunk.subarray(from, end));
      from = end + 1;
      batch.push(finish());
    }
    add(chunk.subarray(from));
    if (batch.length > 0) yield batch;
  }
  if (length > 0) yield [finish()];
}
