import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, open, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileError } from './io.ts';

/** The few file operations that a save needs, so that a test can make any of them fail. */
export interface AtomicFs {
  open(path: string, flags: string): Promise<AtomicHandle>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
}

export interface AtomicHandle {
  write(bytes: Uint8Array, offset: number, length: number): Promise<{ bytesWritten: number }>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export const NODE_FS: AtomicFs = { open, rename, unlink };

export type FileContent = string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Writes a whole file or nothing: to a temporary file in the same folder, synced, then renamed over `path`. Whatever
 * fails, and wherever the process dies, `path` holds either the old content or the new. A process that is killed leaves a
 * `.hypertune-*.tmp` behind; it may be deleted. Throws FILE_IO, or what `content` throws.
 */
export async function atomicWrite(path: string, content: FileContent, fs: AtomicFs = NODE_FS): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await writeSynced(temporary, content, fs);
    await fs.rename(temporary, path);
    await syncFolder(dirname(path), fs);
  } catch (cause) {
    await fs.unlink(temporary).catch(() => undefined);
    throw fileError(cause, path, 'write');
  }
}

/** Copies a whole file or nothing, as `atomicWrite` does; shares the blocks where the file system can. Throws FILE_IO. */
export async function atomicCopy(from: string, to: string): Promise<void> {
  const temporary = temporaryName(to);
  try {
    await copyFile(from, temporary, constants.COPYFILE_FICLONE);
    const handle = await open(temporary, 'r');
    await handle.sync().finally(() => handle.close());
    await rename(temporary, to);
    await syncFolder(dirname(to), NODE_FS);
  } catch (cause) {
    await unlink(temporary).catch(() => undefined);
    throw fileError(cause, to, 'write');
  }
}

function temporaryName(path: string): string {
  return join(dirname(path), `.hypertune-${process.pid}-${randomBytes(6).toString('hex')}.tmp`);
}

/** JSON as Python writes it for configurations: two spaces, keys as given, no newline at the end. */
export async function atomicWriteJson(path: string, value: unknown, fs: AtomicFs = NODE_FS): Promise<void> {
  await atomicWrite(path, JSON.stringify(value, null, 2), fs);
}

/** Makes a rename in `dir` survive a loss of power. */
export async function syncFolder(dir: string, fs: AtomicFs): Promise<void> {
  const handle = await fs.open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeSynced(path: string, content: FileContent, fs: AtomicFs): Promise<void> {
  const handle = await fs.open(path, 'wx');
  try {
    for await (const chunk of chunksOf(content)) {
      for (let done = 0; done < chunk.byteLength; ) {
        // One write call takes at most 2 GiB, and may take less than it is given.
        const { bytesWritten } = await handle.write(chunk, done, Math.min(2 ** 30, chunk.byteLength - done));
        done += bytesWritten;
      }
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function chunksOf(content: FileContent): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
  if (typeof content === 'string') return [new TextEncoder().encode(content)];
  return content instanceof Uint8Array ? [content] : content;
}
