import { mkdir } from 'node:fs/promises';
import { HypertuneError } from '../engine/errors.ts';

/**
 * An operating system failure as a typed error: FILE_NOT_FOUND for a missing path, FILE_IO for the rest.
 * Anything else (a typed error, an abort, a failure of the data's source) comes back as it is.
 */
export function fileError(cause: unknown, path: string, doing: 'read' | 'write'): unknown {
  const { code, message } = Object(cause) as NodeJS.ErrnoException;
  if (cause instanceof HypertuneError || typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) return cause;
  const missing = code === 'ENOENT' || code === 'ENOTDIR';
  if (missing && doing === 'read') {
    return new HypertuneError('FILE_NOT_FOUND', `${path} does not exist.`, { field: path, cause });
  }
  const remedies: Record<string, string> = {
    ENOSPC: 'Free some space on the disk; what was there before is untouched.',
    EDQUOT: 'Free some of your quota on the disk; what was there before is untouched.',
    EFBIG: 'The file is beyond the size limit of the process or the file system; what was there before is untouched.',
    EACCES: 'Check the permissions of the file and its folder.',
    EPERM: 'Check the permissions of the file and its folder.',
    EROFS: 'The file system is read-only; choose another folder.',
    EISDIR: 'It is a folder; name a file.',
    ENOENT: 'Create the folder first.',
  };
  return new HypertuneError('FILE_IO', `Cannot ${doing} ${path}: ${message}.`, {
    field: path,
    remedy: remedies[code],
    cause,
  });
}

/** A folder to write into, with those above it. Throws FILE_IO. */
export async function makeFolder(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true }).catch((cause: unknown) => {
    throw fileError(cause, dir, 'write');
  });
}
