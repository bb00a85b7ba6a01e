/** The addon's functions as TypeScript sees them. */
import { loadAddon, type LoadedAddon } from './addon.ts';
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
  /** `library`: the file of the CUDA backend, for that device. */
  openEngine(device: string, memoryLimit: number, library?: string): NativeDevice;
  /** Throws what opening the CUDA device would; a broken driver may end the process. */
  probeCuda(library: string): void;
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
  /** Bytes of all buffers and arenas of the process; weights that engines share count once. */
  held(): number;
  cpu(settings?: { threads?: number; isa?: string }): { threads: number; isa: string; available: string[] };
}

let loaded: LoadedAddon | undefined;

/** Loads the addon on first use. Throws PLATFORM_UNSUPPORTED or ADDON_LOAD. */
export const native = (): Native => (loaded ??= loadAddon()).exports as Native;

/** The file it was loaded from. */
export const addonFile = (): string => (loaded ??= loadAddon()).file;

/** An error of the addon as the HypertuneError it stands for. */
export function translate(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof HypertuneError || !('code' in error)) return error;
  const { code, field } = error as Error & { code: ErrorCode; field?: string };
  return new HypertuneError(code, error.message, { field, cause: error });
}
