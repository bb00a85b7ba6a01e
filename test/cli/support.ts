import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import type { Io } from '../../lib/cli/io.ts';
import { run } from '../../lib/cli/program.ts';

export const ROOT = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
export const TINY = path.join(ROOT, 'weights/tiny');
export const EXAMPLES = path.join(ROOT, 'examples/swap-first-two.jsonl');
export const MAIN = ['--import', 'tsx', path.join(ROOT, 'lib/cli/main.ts')];

export interface Captured {
  code: number;
  out: string;
  err: string;
}

export interface Situation {
  stdin?: string | Readable;
  terminal?: boolean;
  signal?: AbortSignal;
  /** Sees each piece that is written to stdout. */
  onOut?: (text: string) => void;
}

/** Runs a command inside this process. */
export async function capture(argv: readonly string[], { stdin = '', terminal = false, signal = new AbortController().signal, onOut }: Situation = {}, command: (argv: readonly string[], io: Io) => Promise<number> = run): Promise<Captured> {
  const text = { out: '', err: '' };
  const sink = (name: 'out' | 'err') =>
    Object.assign(new Writable({
      write(chunk: Buffer, _encoding, done) {
        text[name] += chunk.toString();
        if (name === 'out') onOut?.(chunk.toString());
        done();
      },
    }), { isTTY: terminal });
  const input = typeof stdin === 'string' ? new PassThrough().end(stdin) : stdin;
  const code = await command(argv, { stdin: input as PassThrough, stdout: sink('out'), stderr: sink('err'), signal });
  return { code, ...text };
}

/** A folder that goes with the test file. */
export async function temporaryFolder(): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'hypertune-'));
  afterAll(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

export const linesOf = (text: string) => text.split('\n').slice(0, -1);
