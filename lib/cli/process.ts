/** The process's streams and signals as a command sees them. */
import type { Io } from './io.ts';

/**
 * An interrupt aborts the command, which ends its native calls between two nodes and cleans up; a second one kills the process.
 * When the reader of stdout goes away (`| head`), the process ends quietly.
 */
export function processIo(): Io {
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort());
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    process.stderr.write(`error FILE_IO: stdout: ${error.message}\n`);
    process.exit(1);
  });
  return { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, signal: abort.signal };
}
