/** The process's streams and signals as a command sees them. */
import type { Io } from './io.ts';

/**
 * An interrupt aborts the command, which ends its native calls between two nodes and cleans up; a second one kills the process.
 * A reader of stdout that goes away (`| head`) aborts it too, without a message.
 */
export function processIo(): Io {
  const abort = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => abort.abort());
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  return { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, signal: abort.signal };
}
