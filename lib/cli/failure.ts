/** From an error to what is printed, and to the exit code. */
import { CommanderError } from 'commander';
import { HypertuneError } from '../engine/errors.ts';
import type { Io } from './io.ts';
import { write } from './io.ts';

export const EXIT = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** Prints the error and returns the exit code: 2 where an argument of the command is at fault, 130 after an interrupt, else 1. */
export async function fail(io: Io, error: unknown, json: boolean): Promise<number> {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.ok; // --help, --version
    if (json) await printError(io, { code: 'ARGUMENT_INVALID', message: error.message.replace(/^error: /, '') });
    return EXIT.usage;
  }
  const known = describe(error);
  if (json) await printError(io, known);
  else await write(io.stderr, `error ${known.code}: ${known.message}\n${known.remedy ? `  ${known.remedy}\n` : ''}`);
  if (known.code === 'ABORTED') return EXIT.interrupted;
  return known.code.startsWith('ARGUMENT_') ? EXIT.usage : EXIT.failed;
}

interface Described {
  code: string;
  message: string;
  field?: string;
  remedy?: string;
}

/** The remedy stands apart from the message, which ends with it. */
function describe(error: unknown): Described {
  if (error instanceof HypertuneError) {
    const { code, message, field, remedy } = error;
    return { code, message: remedy && message.endsWith(remedy) ? message.slice(0, -remedy.length).trimEnd() : message, field, remedy };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'INTERNAL', message, remedy: 'This is a fault of hypertune-native: please report the command and this message.' };
}

function printError(io: Io, error: Described): Promise<void> {
  return write(io.stderr, `${JSON.stringify({ error })}\n`);
}
