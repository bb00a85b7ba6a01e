/** One process per run folder: two would write over each other's checkpoints. */
import { open, readFile, unlink } from 'node:fs/promises';
import path from 'node:path';
import { HypertuneError } from '../../engine/errors.ts';
import { fileError } from '../../files/io.ts';

const NAME = '.lock';

/** Returns what gives the folder free again. Throws FILE_IO while another live process has it; a dead one's lock is taken over. */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const file = path.join(folder, NAME);
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const handle = await open(file, 'wx');
      await handle.writeFile(await identity(process.pid));
      await handle.close();
      return () => unlink(file).catch(() => undefined);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw fileError(cause, file, 'write');
      const owner = await readFile(file, 'utf8').catch(() => '');
      const pid = Number.parseInt(owner, 10);
      if (pid > 0 && (await identity(pid)) === owner) {
        throw new HypertuneError('FILE_IO', `${folder} is in use by a training run, process ${pid}.`, { field: folder, remedy: 'Wait for it, or choose another output folder.' });
      }
      await unlink(file).catch(() => undefined);
    }
  }
  throw new HypertuneError('FILE_IO', `${file} cannot be taken over.`, { field: file, remedy: 'Another process starts in this folder; choose another one.' });
}

/** Process number and start time, since numbers come round again; without a start time where the process is gone. */
async function identity(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The command's name, in brackets, may hold spaces: field 22 is counted from behind it.
  const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  return `${pid} ${started}`;
}
