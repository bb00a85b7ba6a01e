/** What a command talks to: the process's streams, or a test's. */
import type { Readable, Writable } from 'node:stream';
import { HypertuneError } from '../engine/errors.ts';

export interface Io {
  readonly stdin: Readable & { isTTY?: boolean };
  readonly stdout: Writable;
  readonly stderr: Writable & { isTTY?: boolean };
  /** Aborted by an interrupt, or when nobody reads stdout any more. */
  readonly signal: AbortSignal;
}

/** Writes all of `text` before it settles; a reader that went away is not an error here. */
export function write(stream: Writable, text: string): Promise<void> {
  return new Promise((resolve) => stream.write(text, () => resolve()));
}

export function printLine(io: Io, text: string): Promise<void> {
  return write(io.stdout, `${text}\n`);
}

export function printJson(io: Io, value: unknown): Promise<void> {
  return printLine(io, JSON.stringify(value, (_, v: unknown) => (ArrayBuffer.isView(v) ? Array.from(v as Float32Array) : v)));
}

/** Throws ABORTED once the command has been interrupted. */
export function checkAborted({ signal }: Io): void {
  if (signal.aborted) throw new HypertuneError('ABORTED', 'the command was interrupted.', { field: 'signal' });
}
