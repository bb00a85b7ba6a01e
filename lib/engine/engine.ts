/**
 * Devices, persistent buffers and compiled programs: the only importer of the addon.
 *
 * Everything that touches a device runs on the engine's own thread, in the order of the calls; the promises settle when it has.
 */
import { openCuda } from './cuda.ts';
import { HypertuneError } from './errors.ts';
import { native, translate, type HostArray, type NativeDevice } from './native.ts';

export type { HostArray } from './native.ts';
export type DType = 'f32' | 'bf16' | 'i32' | 'i8';
export type DeviceName = 'auto' | 'cpu' | 'cuda' | 'reference';

export const DTYPE_CODES: Readonly<Record<DType, number>> = { f32: 0, bf16: 1, i32: 2, i8: 4 };

export interface EngineOptions {
  /** `auto` takes the best device there is; `reference` runs plain loops in f64 (slow: the oracle of tests). */
  device?: DeviceName;
  /** Bytes that buffers, arena and, where they share memory with the device, a run's results may take together. Default: the memory of the machine or of its control group. */
  memoryLimit?: number;
}

export interface DeviceInfo {
  device: string;
  /** Instruction set or driver. */
  detail: string;
  /** Compute threads of the process; 0 on CUDA. */
  threads: number;
  memoryBytes: number;
  /** Why `auto` did not take a better device. */
  note?: string;
}

/** Where a tensor's bytes lie in a file. */
export interface FileTensor {
  path: string;
  byteOffset: number;
  byteLength: number;
  dtype: 'F32' | 'F16' | 'BF16';
}

export interface RunOptions {
  /** Runs the program up to this many times in one call, until its stop value is set. */
  repeat?: number;
  signal?: AbortSignal;
}

export interface RunResult {
  /** In the order of the program's fetches; a repeated run's steps one after the other. */
  fetches: HostArray[];
  steps: number;
}

/** Closes engines that were dropped without dispose: what waits in them still runs. */
const dropped = new FinalizationRegistry<number>((id) => void native().closeEngine(id));

export class Engine {
  readonly #device: NativeDevice;
  readonly #note?: string;
  #closed?: Promise<void>;
  #token = 0;

  private constructor(device: NativeDevice, note?: string) {
    this.#device = device;
    this.#note = note;
    dropped.register(this, device.id, this);
  }

  /** A device that is asked for by name and cannot be had is an error: CUDA_*, CUBLAS_* or DEVICE_UNAVAILABLE say why. */
  static open(options: EngineOptions = {}): Engine {
    const wanted = options.device ?? 'auto';
    if (!['auto', 'cpu', 'cuda', 'reference'].includes(wanted)) {
      throw new HypertuneError('ARGUMENT_INVALID', `'${String(wanted)}' is not a device.`, { field: 'device', remedy: "Use 'auto', 'cpu', 'cuda' or 'reference'." });
    }
    const limit = options.memoryLimit ?? 0;
    if (!Number.isSafeInteger(limit) || limit < 0) throw new HypertuneError('ARGUMENT_RANGE', `${limit} is not a number of bytes.`, { field: 'memoryLimit' });
    if (wanted === 'cuda') return new Engine(openCuda(limit));
    if (wanted !== 'auto') return new Engine(openHost(wanted, limit));
    try {
      return new Engine(openCuda(limit));
    } catch (error) {
      return new Engine(openHost('cpu', limit), reason(error as HypertuneError));
    }
  }

  /** `cpu`, `cuda` or `reference`; the last holds every float as f64. */
  get device(): string {
    return this.#device.name;
  }

  get disposed(): boolean {
    return this.#closed !== undefined;
  }

  info(): DeviceInfo {
    const { name, detail, threads, memoryBytes } = this.#device;
    return { device: name, detail, threads, memoryBytes, note: this.#note };
  }

  /** Bytes of buffers and arena. */
  usage(): number {
    return this.#call(() => native().usage(this.#device.id));
  }

  /** A persistent buffer of zeros. Frozen buffers cannot be written by programs and may share memory with other engines. */
  buffer(dtype: DType, elements: number, options: { frozen?: boolean; name?: string } = {}): DeviceBuffer {
    if (dtype === 'i8' && this.device !== 'cpu' && this.device !== 'reference') {
      throw new HypertuneError('CONFIG_UNSUPPORTED', 'the CUDA device has no kernels for int8 weights.', { field: 'dtype', remedy: "Load on device 'cpu', or as 'bf16'." });
    }
    const id = this.#call(() => native().createBuffer(this.#device.id, DTYPE_CODES[dtype], elements, options.frozen ?? false));
    return new DeviceBuffer(this, id, dtype, elements, options.frozen ?? false, options.name ?? '');
  }

  /** Host to device; floats are converted to the buffer's type. */
  write(buffer: DeviceBuffer, data: HostArray, elementOffset = 0): Promise<void> {
    return this.#promise(() => native().writeBuffer(this.#device.id, buffer.handle(this), data, elementOffset), buffer.name);
  }

  /** Device to host: bf16 comes as f32, i8 as i32; floats of the reference device as f64. */
  read(buffer: DeviceBuffer, elementOffset = 0, count = buffer.elements - elementOffset): Promise<HostArray> {
    return this.#promise(() => native().readBuffer(this.#device.id, buffer.handle(this), elementOffset, count), buffer.name);
  }

  /** File to device. FILE_TRUNCATED, FILE_IO and TENSOR_NON_FINITE name the buffer. */
  load(buffer: DeviceBuffer, from: FileTensor, elementOffset = 0): Promise<void> {
    return this.#load(buffer, from, elementOffset);
  }

  /** File to an i8 buffer as a whole, quantised by rows: `scales` is f32 with one element per row. */
  loadInt8(buffer: DeviceBuffer, scales: DeviceBuffer, from: FileTensor): Promise<void> {
    return this.#load(buffer, from, 0, scales);
  }

  /** Validates a command buffer and plans its arena. Throws GRAPH_INVALID naming node and operand, or MEMORY_LIMIT. */
  compile(words: Int32Array, buffers: readonly DeviceBuffer[]): CompiledProgram {
    const ids = Int32Array.from(buffers, (b) => b.handle(this));
    const { id, arenaBytes } = this.#call(() => native().compile(this.#device.id, words, ids));
    return new CompiledProgram(this, id, arenaBytes);
  }

  async run(program: CompiledProgram, symbols: Int32Array, feeds: readonly HostArray[], options: RunOptions = {}): Promise<RunResult> {
    const { signal } = options;
    if (signal?.aborted) throw aborted(signal);
    const token = (this.#token = (this.#token + 1) % 0x7fffffff);
    const onAbort = () => {
      if (!this.disposed) native().cancel(this.#device.id, token);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return await this.#promise(() => native().run(this.#device.id, program.handle(this), symbols, feeds as HostArray[], options.repeat ?? 1, token));
    } catch (error) {
      throw signal?.aborted && error instanceof HypertuneError && error.code === 'ABORTED' ? aborted(signal) : error;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      if (!this.disposed) native().forget(this.#device.id, token);
    }
  }

  /** Waits for calls in flight, then frees everything. Idempotent. */
  dispose(): Promise<void> {
    dropped.unregister(this);
    this.#closed ??= native().closeEngine(this.#device.id);
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** @internal */
  release(kind: 'buffer' | 'program', id: number): void {
    if (this.disposed) return;
    if (kind === 'buffer') native().freeBuffer(this.#device.id, id);
    else native().freeProgram(this.#device.id, id);
  }

  #load(buffer: DeviceBuffer, { path, byteOffset, byteLength, dtype }: FileTensor, elementOffset: number, scales?: DeviceBuffer): Promise<void> {
    return this.#promise(() => native().loadBuffer(this.#device.id, buffer.handle(this), path, byteOffset, byteLength, dtype, elementOffset, scales?.handle(this)), buffer.name);
  }

  #open(): void {
    if (this.disposed) throw new HypertuneError('HANDLE_CLOSED', 'the engine has been disposed.', { field: 'engine', remedy: 'Load the model again.' });
  }

  #call<T>(f: () => T): T {
    this.#open();
    try {
      return f();
    } catch (error) {
      throw translate(error);
    }
  }

  async #promise<T>(f: () => Promise<T>, name?: string): Promise<T> {
    this.#open();
    try {
      return await f();
    } catch (error) {
      const translated = translate(error);
      if (name && translated instanceof HypertuneError && error !== translated) {
        throw new HypertuneError(translated.code, `${name}: ${translated.message}`, { field: name, remedy: translated.remedy, cause: error });
      }
      throw translated;
    }
  }
}

function openHost(device: string, memoryLimit: number): NativeDevice {
  try {
    return native().openEngine(device, memoryLimit);
  } catch (error) {
    throw translate(error);
  }
}

/** The message alone, without field, remedy and full stop. */
function reason({ message, field, remedy = '' }: HypertuneError): string {
  return message.replace(`${field}: `, '').replace(remedy, '').trim().replace(/\.$/, '');
}

function aborted(signal: AbortSignal): HypertuneError {
  return new HypertuneError('ABORTED', 'the call was aborted.', { field: 'signal', cause: signal.reason });
}

abstract class Handle {
  readonly #engine: Engine;
  readonly #id: number;
  readonly #kind: 'buffer' | 'program';
  #disposed = false;

  constructor(engine: Engine, id: number, kind: 'buffer' | 'program') {
    this.#engine = engine;
    this.#id = id;
    this.#kind = kind;
  }

  get engine(): Engine {
    return this.#engine;
  }

  get disposed(): boolean {
    return this.#disposed || this.#engine.disposed;
  }

  /** The native handle; throws HANDLE_CLOSED after dispose and HANDLE_KIND on another engine. */
  handle(engine: Engine): number {
    if (this.disposed) throw new HypertuneError('HANDLE_CLOSED', `the ${this.#kind} has been disposed.`, { field: this.#kind });
    if (engine !== this.#engine) throw new HypertuneError('HANDLE_KIND', `the ${this.#kind} belongs to another engine.`, { field: this.#kind });
    return this.#id;
  }

  dispose(): void {
    if (!this.disposed) this.#engine.release(this.#kind, this.#id);
    this.#disposed = true;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Device memory that outlives a run: weights, optimiser moments, caches, adapter banks. */
export class DeviceBuffer extends Handle {
  readonly dtype: DType;
  readonly elements: number;
  readonly frozen: boolean;
  readonly name: string;

  constructor(engine: Engine, id: number, dtype: DType, elements: number, frozen: boolean, name: string) {
    super(engine, id, 'buffer');
    this.dtype = dtype;
    this.elements = elements;
    this.frozen = frozen;
    this.name = name;
  }
}

/** A validated program with a planned arena. */
export class CompiledProgram extends Handle {
  readonly arenaBytes: number;

  constructor(engine: Engine, id: number, arenaBytes: number) {
    super(engine, id, 'program');
    this.arenaBytes = arenaBytes;
  }
}

/** Threads and instruction set of the CPU backend, for the whole process. */
export function cpuSettings(settings?: { threads?: number; isa?: string }): { threads: number; isa: string; available: string[] } {
  try {
    return native().cpu(settings);
  } catch (error) {
    throw translate(error);
  }
}
