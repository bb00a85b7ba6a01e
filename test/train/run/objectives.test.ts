// Dropout, gradient checkpointing, CACLM's controls and inherited hypermodels in a run.
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { openSafetensors } from '../../../lib/files/safetensors.ts';
import { Random } from '../../../lib/data/random.ts';
import { LIST_WORDS } from '../../../lib/data/families/words.ts';
import { trainRun } from '../../../lib/train/run/run.ts';
import { collect, exported, temporaryFolder, toyRun } from './support.ts';

const folder = await temporaryFolder();
const at = (name: string) => path.join(folder, name);

describe('dropout', () => {
  const train = { t5: true, dropout: 0.3 };

  test('draws anew in every step, and a resumed run draws what the uninterrupted one drew', async () => {
    const plain = await collect(toyRun(at('no-dropout')));
    const whole = await collect(toyRun(at('dropout'), { train }));
    // The first losses are of the same values and batches.
    expect(whole[0].loss).not.toBeCloseTo(plain[0].loss, 4);
    const abort = new AbortController();
    const config = toyRun(at('dropout-resumed'), { train });
    const run = async () => {
      for await (const { step } of trainRun(config, { signal: abort.signal })) if (step === 2) abort.abort();
    };
    await expect(run()).rejects.toMatchObject({ code: 'ABORTED' });
    const rest = await collect(config);
    expect(rest.map(({ loss }) => loss)).toEqual(whole.slice(3).map(({ loss }) => loss));
    expect(await exported(config.output)).toBe(await exported(at('dropout')));
  });

  test('with checkpointing the blocks are recomputed with the same draws', async () => {
    await collect(toyRun(at('kept'), { train }));
    const plans: number[] = [];
    await collect(toyRun(at('recomputed'), { train: { ...train, checkpointing: true } }), { onPlan: ({ bytes }) => plans.push(bytes.arena) });
    expect(plans[0]).toBeGreaterThan(0);
    expect(await exported(at('recomputed'))).toBe(await exported(at('kept')));
  });
});

test('CACLM: validation reports the controls beside the loss, which they do not count in', async () => {
  const rng = Random.stream(1, 'text');
  await mkdir(at('text'), { recursive: true });
  await writeFile(at('text/a.txt'), Array.from({ length: 40 }, () => Array.from({ length: 60 }, () => rng.choice(LIST_WORDS)).join(' ')).join('\n'));
  const part = { kind: 'caclm', rows: 4, windowTokens: 48, queryTokens: 8, answerTokens: 8, sideTokens: 8, minDocumentTokens: 48, data: [{ text: at('text/a.txt') }] };
  const [first] = await collect(toyRun(at('caclm'), { train: {}, parts: [part], schedule: { peak: 1e-3, steps: 1, warmup: 0 }, validate: { every: 1, batches: 2 } }));
  const { parts, loss } = first.validation!;
  expect(parts.map(({ name }) => name)).toEqual(['caclm', 'caclm.none', 'caclm.wrong', 'caclm.concat']);
  expect(loss).toBe(parts[0].loss);
  expect(new Set(parts.map((p) => p.loss.toFixed(6))).size).toBe(4);
  const blind = await collect(toyRun(at('static'), { train: {}, parts: [{ ...part, evidence: 'none' }], schedule: { peak: 1e-3, steps: 1, warmup: 0 }, validate: { every: 1, batches: 2 } }));
  expect(blind[0].validation!.parts.map(({ name }) => name)).toEqual(['caclm']);
});

test('a hypermodel of both parts takes over trunk, queries and heads of one that writes prefixes', async () => {
  const sizes = { prefix_length: 3, hyper_tokens: 60, query_tokens: 24, answer_tokens: 12 };
  const parts = [{ kind: 'episodes', sets: 2, queriesPerSet: 2, data: [{ generated: {} }] }];
  const parent = toyRun(at('parent'), { hyper: { config: { kind: 'prefix', ...sizes } }, parts });
  await collect(parent);
  const child = toyRun(at('child'), {
    t5: { folder: parent.export.folder }, train: {}, parts: [{ ...parts[0], states: 'both' }], schedule: { peak: 0, steps: 1, warmup: 0 },
    hyper: { config: { kind: 'both', rank: 2, alpha: 2, ...sizes }, inherit: path.join(parent.export.folder, 'hyper-prefix') },
  });
  await collect(child);
  const [before, after] = await Promise.all([path.join(parent.export.folder, 'hyper-prefix'), path.join(child.export.folder, 'hyper-both')].map((dir) => openSafetensors(path.join(dir, 'hypermodel.safetensors'))));
  const values = async (file: typeof before, name: string) => [...(await file.read(name))];
  for (const name of before.tensors.keys()) if (name !== 'queries') expect(await values(after, name), name).toEqual(await values(before, name));
  const [own, all] = [await values(before, 'queries'), await values(after, 'queries')];
  expect(all.slice(-own.length)).toEqual(own); // queries of LoRA come first
  expect(all.length).toBeGreaterThan(own.length);
});
