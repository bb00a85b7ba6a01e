/** The addon's functions as TypeScript sees them, and the one place that loads it. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { HypertuneError, type ErrorCode } from './errors.ts';

export type HostArray = Float32Array | Float64Array | Int32Array;

export interface NativeDevice {
  id: number;
  name: string;
  detail: string;
  memoryBytes: number;
  threads: number;
}

/** Handles are integers. Errors carry `code` and `field`; `translate` turns them into HypertuneErrors. */
export interface Native {
  readonly opTableVersion: number;
  openEngine(device: string, memoryLimit: number): NativeDevice;
  /** Where the addon was loaded from, and where it looks for the CUDA backend. */
  cudaPaths(): { addon: string; library: string };
  /** Throws what opening the CUDA device would; a broken driver may end the process. */
  probeCuda(): void;
  /** What was found out about that library, kept for all threads of the process. */
  cudaProbed(library: string, answer?: string): string | undefined;
  closeEngine(engine: number): Promise<void>;
  createBuffer(engine: number, dtype: number, elements: number, frozen: boolean): number;
  freeBuffer(engine: number, buffer: number): void;
  writeBuffer(engine: number, buffer: number, data: HostArray, elementOffset: number): Promise<void>;
  readBuffer(engine: number, buffer: number, elementOffset: number, count: number): Promise<HostArray>;
  loadBuffer(engine: number, buffer: number, path: string, byteOffset: number, byteLength: number, dtype: string, elementOffset: number, scales?: number): Promise<void>;
  compile(engine: number, words: Int32Array, buffers: Int32Array): { id: number; arenaBytes: number };
  freeProgram(engine: number, program: number): void;
  run(engine: number, program: number, symbols: Int32Array, feeds: HostArray[], repeat: number, token: number): Promise<{ fetches: HostArray[]; steps: number }>;
  cancel(engine: number, token: number): void;
  forget(engine: number, token: number): void;
  usage(engine: number): number;
  cpu(settings?: { threads?: number; isa?: string }): { threads: number; isa: string; available: string[] };
}

let loaded: Native | undefined;

/** Loads the addon on first use. Throws ADDON_LOAD with everything that was tried. */
export function native(): Native {
  if (loaded) return loaded;
  const require = createRequire(import.meta.url);
  const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
  try {
    loaded = require('node-gyp-build')(root) as Native;
    return loaded;
  } catch (cause) {
    throw new HypertuneError('ADDON_LOAD', `the native addon of hypertune-native could not be loaded for ${process.platform}-${process.arch}, Node ${process.version}: ${(cause as Error).message}.`, {
      field: 'hypertune.node',
      remedy: `Build it in ${root} with 'npm run build:native' (needs CMake >= 3.22 and a C++17 compiler).`,
      cause,
    });
  }
}

/** An error of the addon as the HypertuneError it stands for. */
export function translate(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof HypertuneError || !('code' in error)) return error;
  const { code, field } = error as Error & { code: ErrorCode; field?: string };
  return new HypertuneError(code, error.message, { field, cause: error });
}
