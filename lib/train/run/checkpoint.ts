/**
 * Checkpoints of a run: folders `step-000123` with state.safetensors (trained parameters and the optimiser's state) and
 * state.json. A folder is written under another name, synced and then renamed, so that whatever stops the process, a folder
 * with its name is whole.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Engine, FileTensor } from '../../engine/engine.ts';
import { HypertuneError } from '../../engine/errors.ts';
import { NODE_FS, atomicWriteJson, syncFolder } from '../../files/atomic.ts';
import type { AtomicFs } from '../../files/atomic.ts';
import { toBfloat16 } from '../../files/dtypes.ts';
import { fileError } from '../../files/io.ts';
import { readJson } from '../../files/json.ts';
import { openSafetensors } from '../../files/safetensors.ts';
import type { TensorLocation } from '../../files/safetensors.ts';
import { writeSafetensors } from '../../files/safetensors-write.ts';
import type { Parameter } from '../../t5/parameters.ts';

/** What a resumed run must know beside the tensors. */
export interface RunState {
  /** Steps done: the next one to run. */
  step: number;
  /** Trained tokens so far. */
  tokens: number;
  /** The fields of the configuration that decide what every step computes. */
  course: unknown;
  best: { step: number; loss: number } | null;
  /** Validations in a row that were no better. */
  stale: number;
}

export interface StoredCheckpoint {
  folder: string;
  state: RunState;
}

const NAME = /^step-(\d{6,})$/;
const PENDING = '.pending-';
const TENSORS = 'state.safetensors';
const STATE = 'state.json';

export function checkpointName(step: number): string {
  return `step-${String(step).padStart(6, '0')}`;
}

export class CheckpointFolder {
  private readonly dir: string;
  private readonly fs: AtomicFs;

  /** `fs` lets a test make any file operation fail. */
  constructor(dir: string, fs: AtomicFs = NODE_FS) {
    this.dir = dir;
    this.fs = fs;
  }

  /** Writes a checkpoint, or nothing: FILE_IO, and NUMERIC for a value that is not finite, leave the earlier ones as they are. */
  async write(engine: Engine, tensors: readonly Parameter[], state: RunState): Promise<string> {
    const folder = path.join(this.dir, checkpointName(state.step));
    const pending = path.join(this.dir, `${PENDING}${checkpointName(state.step)}`);
    try {
      await rm(pending, { recursive: true, force: true });
      await mkdir(pending, { recursive: true });
      await writeSafetensors(path.join(pending, TENSORS), tensors.map(({ name, shape, buffer }) => ({
        name, shape, dtype: buffer.dtype === 'bf16' ? 'BF16' : 'F32',
        data: async () => {
          const read = await engine.read(buffer);
          const values = read instanceof Float32Array ? read : Float32Array.from(read);
          requireFinite(name, values);
          return buffer.dtype === 'bf16' ? toBfloat16(values) : values;
        },
      })), { fs: this.fs });
      await atomicWriteJson(path.join(pending, STATE), state, this.fs);
      await this.fs.rename(pending, folder);
      await syncFolder(this.dir, this.fs);
    } catch (cause) {
      await rm(pending, { recursive: true, force: true }).catch(() => undefined);
      throw fileError(cause, folder, 'write');
    }
    return folder;
  }

  /** Whole checkpoints by step, the newest first. A folder that cannot be read is passed over, with a note. */
  async list(notes: string[] = []): Promise<StoredCheckpoint[]> {
    const found: StoredCheckpoint[] = [];
    for (const name of await names(this.dir)) {
      if (!NAME.test(name)) continue;
      const folder = path.join(this.dir, name);
      try {
        const state = (await readJson(path.join(folder, STATE))) as RunState;
        if (checkpointName(state?.step) !== name) throw new HypertuneError('FILE_FORMAT', `${STATE} is not of this step.`, { field: STATE });
        await openSafetensors(path.join(folder, TENSORS));
        found.push({ folder, state });
      } catch (error) {
        if (!(error instanceof HypertuneError)) throw error;
        notes.push(`${folder} is no whole checkpoint and is passed over: ${error.message}`);
      }
    }
    return found.sort((a, b) => b.state.step - a.state.step);
  }

  /** Fills the buffers from a checkpoint. Throws TENSOR_MISSING or TENSOR_SHAPE where it is of another model. */
  async load(engine: Engine, tensors: readonly Parameter[], { folder }: StoredCheckpoint): Promise<void> {
    const file = await openSafetensors(path.join(folder, TENSORS));
    for (const { name, shape, buffer } of tensors) {
      const stored = file.tensors.get(name);
      if (!stored) throw new HypertuneError('TENSOR_MISSING', `${file.path} has no ${name}.`, { field: name });
      if (stored.shape.join() !== shape.join()) throw new HypertuneError('TENSOR_SHAPE', `${name} is [${stored.shape.join(', ')}] in ${file.path}, not [${shape.join(', ')}].`, { field: name });
      await engine.load(buffer, stored as TensorLocation & FileTensor);
    }
  }

  /** Deletes what a killed process left half written. */
  async clean(): Promise<void> {
    for (const name of await names(this.dir)) if (name.startsWith(PENDING)) await rm(path.join(this.dir, name), { recursive: true, force: true });
  }

  /** Keeps the newest `keep` and the one of step `best`. */
  async prune(keep: number, best: number | undefined): Promise<void> {
    const steps = (await names(this.dir)).flatMap((name) => NAME.exec(name)?.[1] ?? []).map(Number).sort((a, b) => b - a);
    for (const step of steps.slice(keep)) if (step !== best) await this.remove(step);
  }

  /** Renamed first: a folder that is half deleted must not have the name of a whole one. */
  private async remove(step: number): Promise<void> {
    const doomed = path.join(this.dir, `${PENDING}deleted-${step}`);
    await rm(doomed, { recursive: true, force: true });
    await this.fs.rename(path.join(this.dir, checkpointName(step)), doomed);
    await rm(doomed, { recursive: true, force: true });
  }
}

/** A checkpoint that cannot be trained on must not push out those that can. */
function requireFinite(name: string, values: Float32Array): void {
  let element = 0; // findIndex with a callback takes five times as long, and this holds the event loop
  while (element < values.length && Number.isFinite(values[element])) element++;
  if (element === values.length) return;
  throw new HypertuneError('NUMERIC', `element ${element} of ${name} is ${values[element]}; no checkpoint is written.`, { field: name, remedy: 'Lower the learning rate and continue from the checkpoint before.' });
}

async function names(dir: string): Promise<string[]> {
  try {
    return (await readdir(dir)).sort();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fileError(cause, dir, 'read');
  }
}
