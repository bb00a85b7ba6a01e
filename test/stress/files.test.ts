// Files that go wrong under a model: a save that is killed, a folder that refuses, weights that are cut or replaced while they are in use.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, cp, mkdir, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { QUERY, TINY } from '../../bench/soak/suite.ts';
import { Random } from '../../lib/data/random.ts';
import { HyperT5 } from '../../lib/index.ts';
import type { Adapter } from '../../lib/index.ts';

const KILLS = 6;

let dir: string;
let model: HyperT5;
let adapters: Adapter[];
beforeAll(async () => {
  dir = await mkdtemp(path.join(os.tmpdir(), 'stress-files-'));
  model = await HyperT5.load(TINY, { device: 'cpu' });
  adapters = await Promise.all([1, 2].map((seed) => model.newAdapter({ kind: 'prefix', length: 40, seed })));
});
afterAll(async () => {
  await model.dispose();
  await rm(dir, { recursive: true });
});

const scores = async (adapter: Adapter): Promise<string> => String((await model.score([QUERY], [['a b', 'c']], { adapter }))[0].logLikelihoods);

test('a process killed at any moment of a save leaves one adapter or the other, whole', async () => {
  const random = Random.stream(1, 'kills');
  const folders = await Promise.all(adapters.map(async (adapter, i) => {
    const folder = path.join(dir, `source-${i}`);
    await adapter.save(folder);
    return folder;
  }));
  const allowed = await Promise.all(adapters.map(scores));
  const out = path.join(dir, 'saved');
  for (let i = 0; i < KILLS; i++) {
    const child = spawn(process.execPath, [fileURLToPath(new URL('save-forever.mjs', import.meta.url)), TINY, ...folders, out], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    await setTimeout(random.float() * 40); // the moment; whichever it is, the test must hold
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(allowed).toContain(await scores(await model.loadAdapter(out)));
  }
}, 300_000);

test('a file in the place of the folder is FILE_IO, and stays', async () => {
  const file = path.join(dir, 'file');
  await writeFile(file, 'mine');
  await expect(adapters[0].save(file)).rejects.toMatchObject({ code: 'FILE_IO' });
  await expect(adapters[0].save(path.join(file, 'below'))).rejects.toMatchObject({ code: 'FILE_IO' });
  await expect(model.merge(await model.newAdapter({ kind: 'lora' }), file)).rejects.toMatchObject({ code: 'FILE_IO' });
});

test('a disk that is full half-way keeps the old adapter', async () => {
  const folder = path.join(dir, 'full');
  await adapters[0].save(folder);
  const script = `
    const { HyperT5 } = await import(${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)});
    const model = await HyperT5.load(${JSON.stringify(TINY)}, { device: 'cpu' });
    const adapter = await model.newAdapter({ kind: 'prefix', length: 40, seed: 2 });
    console.log(await adapter.save(${JSON.stringify(folder)}).then(() => 'saved', (error) => error.code + ': ' + error.remedy));
    await model.dispose();`;
  // A limit on the size of files stands for the end of the disk: writes beyond it fail half-way.
  const child = spawn('bash', ['-c', 'ulimit -f 16; exec "$0" --input-type=module -e "$1"', process.execPath, script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(said).toMatch(/^FILE_IO: .*what was there before is untouched/);
  expect(await scores(await model.loadAdapter(folder))).toBe(await scores(adapters[0]));
});

test('weights that are cut, replaced or deleted do not touch a model that has loaded them', async () => {
  const folder = path.join(dir, 'model');
  await cp(TINY, folder, { recursive: true });
  const weights = path.join(folder, 'model.safetensors');
  const loaded = await HyperT5.load(folder, { device: 'cpu' });
  const before = await loaded.generate([QUERY]);
  await truncate(weights, 1000);
  expect(await loaded.generate([QUERY])).toEqual(before);
  await expect(HyperT5.load(folder, { device: 'cpu' })).rejects.toMatchObject({ code: 'FILE_TRUNCATED' });
  await copyFile(path.join(TINY, 'model.safetensors'), `${weights}.new`);
  await rename(`${weights}.new`, weights);
  const again = await HyperT5.load(folder, { device: 'cpu' });
  expect(await again.generate([QUERY])).toEqual(before);
  await rm(folder, { recursive: true });
  expect(await loaded.generate([QUERY])).toEqual(before);
  await Promise.all([loaded.dispose(), again.dispose()]);
});

test('a folder without permission is FILE_IO with a remedy', async () => {
  const folder = path.join(dir, 'closed');
  await mkdir(folder);
  await chmod(folder, 0o555);
  // Root may write anywhere, but no one makes a folder of /sys.
  const refused = process.getuid!() === 0 ? '/sys/adapter' : path.join(folder, 'adapter');
  await expect(adapters[0].save(refused)).rejects.toMatchObject({ code: 'FILE_IO', remedy: expect.stringMatching(/./) as string });
});
