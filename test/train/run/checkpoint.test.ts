import { mkdir, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Engine } from '../../../lib/engine/engine.ts';
import { NODE_FS } from '../../../lib/files/atomic.ts';
import type { AtomicFs } from '../../../lib/files/atomic.ts';
import { CheckpointFolder, checkpointName } from '../../../lib/train/run/checkpoint.ts';
import type { RunState } from '../../../lib/train/run/checkpoint.ts';
import { lockFolder } from '../../../lib/train/run/lock.ts';
import { MetricsFile } from '../../../lib/train/run/metrics.ts';
import { temporaryFolder } from './support.ts';

const engine = Engine.open({ device: 'cpu' });
afterAll(() => engine.dispose());

const tensors = [
  { name: 'w', shape: [2, 3], buffer: engine.buffer('f32', 6, { name: 'w' }) },
  { name: 'half', shape: [4], buffer: engine.buffer('bf16', 4, { name: 'half' }) },
];
const fill = (x: number) => Promise.all(tensors.map(({ buffer }) => engine.write(buffer, Float32Array.from({ length: buffer.elements }, (_, i) => x + i))));
const values = async () => (await Promise.all(tensors.map(({ buffer }) => engine.read(buffer)))).map((v) => [...v]);
const state = (step: number): RunState => ({ step, tokens: 10 * step, course: { seed: 1 }, best: null, stale: 0 });

test('tensors and state come back; the newest checkpoint is the first', async () => {
  const folder = new CheckpointFolder(await temporaryFolder());
  await fill(1);
  await folder.write(engine, tensors, state(3));
  await fill(2);
  await folder.write(engine, tensors, state(12));
  const found = await folder.list();
  expect(found.map((c) => c.state)).toEqual([state(12), state(3)]);
  await folder.load(engine, tensors, found[1]);
  expect(await values()).toEqual([[1, 2, 3, 4, 5, 6], [1, 2, 3, 4]]);
});

test('folders that are not whole are passed over with a note, and half-written ones deleted', async () => {
  const dir = await temporaryFolder();
  const folder = new CheckpointFolder(dir);
  await fill(1);
  for (const step of [1, 2, 3, 4]) await folder.write(engine, tensors, state(step));
  await truncate(path.join(dir, checkpointName(4), 'state.safetensors'), 100);
  await rm(path.join(dir, checkpointName(3), 'state.json'));
  await writeFile(path.join(dir, checkpointName(2), 'state.json'), JSON.stringify(state(7)));
  await mkdir(path.join(dir, '.pending-step-000005'));
  const notes: string[] = [];
  expect((await folder.list(notes)).map((c) => c.state.step)).toEqual([1]);
  expect(notes.map((note) => note.slice(0, note.indexOf(' is no')))).toEqual([4, 3, 2].map((step) => path.join(dir, checkpointName(step))).sort());
  await folder.clean();
  expect(await readdir(dir)).not.toContain('.pending-step-000005');
});

test('values that are no numbers do not become a checkpoint', async () => {
  const dir = await temporaryFolder();
  const folder = new CheckpointFolder(dir);
  await fill(NaN);
  await expect(folder.write(engine, tensors, state(2))).rejects.toMatchObject({ code: 'NUMERIC', field: 'w' });
  expect(await readdir(dir)).toEqual([]);
  await fill(1);
});

test('the newest stay, and the best', async () => {
  const dir = await temporaryFolder();
  const folder = new CheckpointFolder(dir);
  for (const step of [1, 2, 3, 4]) await folder.write(engine, tensors, state(step));
  await folder.prune(2, 1);
  expect((await readdir(dir)).sort()).toEqual([1, 3, 4].map(checkpointName));
});

test('whichever file operation fails, the checkpoints before stay and nothing half-written is left', async () => {
  const dir = await temporaryFolder();
  await fill(1);
  await new CheckpointFolder(dir).write(engine, tensors, state(1));
  let failures = 0;
  for (let failing = 0; ; failing++) {
    let calls = 0;
    const full = () => {
      if (calls++ === failing) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    };
    const fs: AtomicFs = {
      open: async (file, flags) => {
        full();
        const handle = await NODE_FS.open(file, flags);
        return { write: async (...args) => (full(), handle.write(...args)), sync: async () => (full(), handle.sync()), close: () => handle.close() };
      },
      rename: async (from, to) => (full(), NODE_FS.rename(from, to)), unlink: (file) => NODE_FS.unlink(file),
    };
    const result = await new CheckpointFolder(dir, fs).write(engine, tensors, state(2)).catch((e: unknown) => e);
    if (typeof result === 'string') break;
    expect(result).toMatchObject({ code: 'FILE_IO', message: expect.stringContaining('Free some space') as string });
    failures++;
    // The very last operation, syncing the folder, comes when the new checkpoint is there already.
    const names = await readdir(dir);
    expect(names.filter((name) => name.startsWith('.'))).toEqual([]);
    expect(names).toContain(checkpointName(1));
    await rm(path.join(dir, checkpointName(2)), { recursive: true, force: true });
  }
  expect(failures).toBeGreaterThan(8);
});

test('metrics are cut behind the steps of the checkpoint', async () => {
  const file = path.join(await temporaryFolder(), 'metrics.jsonl');
  const line = (record: unknown) => `${JSON.stringify(record)}\n`;
  await writeFile(file, `${line({ step: 0 })}${line({ step: 1 })}${line({ step: 2, validation: {} })}${line({ step: 2 })}${line({ step: 3, validation: {} })}{"step":3,"lo`);
  const metrics = await MetricsFile.open(file, 2);
  await metrics.append({ step: 2 } as never);
  await metrics.close();
  const kept = (await readFile(file, 'utf8')).trimEnd().split('\n').map((l) => JSON.parse(l) as { step: number; validation?: object; time?: number });
  expect(kept.map(({ step, validation }) => `${step}${validation ? ' validation' : ''}`)).toEqual(['0', '1', '2 validation', '2']);
  expect(kept[3].time).toBeGreaterThan(1e9);
});

test('a folder belongs to one live process; the lock of a dead one is taken over', async () => {
  const dir = await temporaryFolder();
  const unlock = await lockFolder(dir);
  await expect(lockFolder(dir)).rejects.toMatchObject({ code: 'FILE_IO', message: expect.stringContaining(`process ${process.pid}`) as string });
  await unlock();
  await writeFile(path.join(dir, '.lock'), `${process.pid} 1`); // same number, another start time
  await (await lockFolder(dir))();
  expect(await readdir(dir)).toEqual([]);
});
