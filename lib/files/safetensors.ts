import { constants } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { HypertuneError } from '../engine/errors.ts';
import { isFloatDtype, toFloat32 } from './dtypes.ts';
import { fileError } from './io.ts';
import { parseSafetensorsHeader, readHeaderLength } from './safetensors-header.ts';
import type { TensorEntry } from './safetensors-header.ts';

export { parseSafetensorsHeader } from './safetensors-header.ts';
export type { SafetensorsHeader, TensorEntry } from './safetensors-header.ts';

/** A tensor together with its file: what the native side needs to map it (path, byteOffset, byteLength, dtype). */
export interface TensorLocation extends TensorEntry {
  path: string;
}

/** What tells that a path still names the file whose header was read. */
type Identity = Pick<BigIntStats, 'dev' | 'ino' | 'size' | 'mtimeNs'>;

/** A safetensors file whose header has been read and checked. Holds no open file; `read` opens, checks and closes. */
export class SafetensorsFile {
  readonly path: string;
  readonly fileSize: number;
  readonly tensors: ReadonlyMap<string, TensorLocation>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #identity: Identity;

  constructor(
    path: string,
    identity: Identity,
    tensors: ReadonlyMap<string, TensorLocation>,
    metadata: Record<string, string>,
  ) {
    this.path = path;
    this.fileSize = Number(identity.size);
    this.tensors = tensors;
    this.metadata = metadata;
    this.#identity = identity;
  }

  /**
   * The bytes of one tensor in a buffer of their own. Throws TENSOR_MISSING for an unknown name, FILE_TRUNCATED or
   * FILE_IO where the file was cut, replaced or written since its header was read.
   */
  async read(name: string): Promise<Uint8Array> {
    const entry = this.#entry(name);
    return withFile(this.path, async (handle) => {
      await this.#checkUnchanged(handle);
      const bytes = await readExactly(handle, entry.byteOffset, entry.byteLength, this.path);
      await this.#checkUnchanged(handle);
      return bytes;
    });
  }

  /** `read`, converted exactly to float32. Throws TENSOR_DTYPE unless the tensor is F32, F16 or BF16. */
  async readFloat32(name: string): Promise<Float32Array> {
    const { dtype } = this.#entry(name);
    if (!isFloatDtype(dtype)) {
      throw new HypertuneError('TENSOR_DTYPE', `${this.path}: ${name} is ${dtype}; expected F32, F16 or BF16.`, { field: name });
    }
    return toFloat32(await this.read(name), dtype);
  }

  #entry(name: string): TensorLocation {
    const entry = this.tensors.get(name);
    if (entry === undefined) {
      throw new HypertuneError('TENSOR_MISSING', `${this.path} has no tensor ${JSON.stringify(name)}.`, { field: name });
    }
    return entry;
  }

  async #checkUnchanged(handle: FileHandle): Promise<void> {
    const now = await handle.stat({ bigint: true });
    const was = this.#identity;
    if (now.size < was.size) throw truncated(this.path);
    if (now.dev !== was.dev || now.ino !== was.ino || now.size !== was.size || now.mtimeNs !== was.mtimeNs) {
      throw new HypertuneError('FILE_IO', `${this.path} was replaced or written since its header was read.`, {
        field: this.path,
        remedy: 'Load it again.',
      });
    }
  }
}

/** Reads and checks the header of a safetensors file; tensors stay on disk. Errors: see `parseSafetensorsHeader`. */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  return withFile(path, async (handle) => {
    const identity = await handle.stat({ bigint: true });
    if (!identity.isFile()) throw new HypertuneError('FILE_FORMAT', `${path} is not a regular file.`, { field: path });
    const fileSize = Number(identity.size);
    const prefix = await readExactly(handle, 0, Math.min(8, fileSize), path);
    const length = readHeaderLength(prefix, fileSize, path);
    const header = parseSafetensorsHeader(await readExactly(handle, 0, 8 + length, path), fileSize, path);
    const tensors = new Map<string, TensorLocation>();
    for (const [name, entry] of header.tensors) tensors.set(name, { ...entry, path });
    return new SafetensorsFile(path, identity, tensors, header.metadata);
  });
}

async function withFile<T>(path: string, use: (handle: FileHandle) => Promise<T>): Promise<T> {
  let handle: FileHandle | undefined;
  try {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return await use(handle);
  } catch (cause) {
    throw fileError(cause, path, 'read');
  } finally {
    await handle?.close();
  }
}

async function readExactly(handle: FileHandle, offset: number, length: number, path: string): Promise<Uint8Array> {
  const bytes = allocate(length, path);
  // One read call takes at most 2 GiB.
  const step = 2 ** 30;
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, Math.min(step, length - done), offset + done);
    if (bytesRead === 0) throw truncated(path);
    done += bytesRead;
  }
  return bytes;
}

function allocate(length: number, path: string): Uint8Array {
  try {
    return new Uint8Array(length);
  } catch (cause) {
    throw new HypertuneError('MEMORY_LIMIT', `No memory for the ${length} bytes of a tensor of ${path}.`, { field: path, cause });
  }
}

function truncated(path: string): HypertuneError {
  return new HypertuneError('FILE_TRUNCATED', `${path} is shorter than its header says.`, {
    field: path,
    remedy: 'Fetch or save the file again.',
  });
}
