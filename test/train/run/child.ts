/**
 * A training run as a process that dies by SIGKILL at a chosen moment: node child.ts <config.json> <moment>. Moments are counted
 * from 1: every file operation of a checkpoint, the end of every step, and one while the next step runs on the native thread.
 * 0: none. Prints the error's code and message as JSON where the run fails.
 */
import { NODE_FS } from '../../../lib/files/atomic.ts';
import type { AtomicFs } from '../../../lib/files/atomic.ts';
import { readRunConfig } from '../../../lib/train/run/config.ts';
import { trainRun } from '../../../lib/train/run/run.ts';

const [file, chosen] = process.argv.slice(2);
let moments = 0;
function moment(): void {
  if (++moments === Number(chosen)) process.kill(process.pid, 'SIGKILL');
}

const fs: AtomicFs = {
  async open(path, flags) {
    moment();
    const handle = await NODE_FS.open(path, flags);
    return {
      async write(bytes, offset, length) {
        // Large pieces are written by halves, so that a kill leaves a tensor that is cut.
        if (length < 200_000) return handle.write(bytes, offset, length);
        const half = await handle.write(bytes, offset, length >> 1);
        moment();
        return half;
      },
      async sync() {
        moment();
        await handle.sync();
      },
      close: () => handle.close(),
    };
  },
  async rename(from, to) {
    moment();
    await NODE_FS.rename(from, to);
    moment();
  },
  unlink: (path) => NODE_FS.unlink(path),
};

try {
  for await (const step of trainRun(await readRunConfig(file), { fs })) {
    moment();
    if (Number.isFinite(step.loss)) setImmediate(moment); // runs when the loop has started the next step and waits for it
  }
} catch (error) {
  const { code, message } = error as { code?: string; message: string };
  console.log(JSON.stringify({ code, message }));
  process.exitCode = 1;
}
