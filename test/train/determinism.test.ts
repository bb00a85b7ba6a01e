// For one instruction set and type, training is the same bit for bit whatever the number of threads.
import { createHash } from 'node:crypto';
import { afterAll, expect, test } from 'vitest';
import { EpisodeSampler } from '../../lib/data/episodes.ts';
import { Universe } from '../../lib/data/families/universe.ts';
import { Engine, cpuSettings } from '../../lib/engine/engine.ts';
import { Tokenizer } from '../../lib/tokenizer/tokenizer.ts';
import { AdamW } from '../../lib/train/adamw.ts';
import { hyperObjective } from '../../lib/train/objectives.ts';
import { trainedParameters } from '../../lib/train/parameters.ts';
import { tinyHyper } from '../hyper/support.ts';

const { threads } = cpuSettings();
afterAll(() => {
  cpuSettings({ threads });
});

const tokenizer = await Tokenizer.fromFile(new URL('../tokenizer/fixtures/t5style-4k/tokenizer.json', import.meta.url).pathname);
const sampler = new EpisodeSampler(new Universe().trained, tokenizer, 3, { sets: 4, queriesPerSet: 5 });

/** Hash of a hypermodel after three steps, and the losses. */
async function threeSteps(kind: 'lora' | 'prefix', count: number): Promise<string> {
  cpuSettings({ threads: count });
  expect(cpuSettings().threads).toBe(count);
  const engine = Engine.open({ device: 'cpu' });
  const { config, t5, hyper } = await tinyHyper(engine, kind, { moved: true });
  const optimizer = new AdamW(engine, trainedParameters(hyper.parameters.all(), config));
  const objective = hyperObjective(engine, config, t5, hyper, optimizer, { rows: 20, encoderTokens: 800, decoderTokens: 500, sets: 4, hyperTokens: 600 });
  const hash = createHash('sha256');
  for (let step = 0; step < 3; step++) {
    const b = sampler.batch(step);
    const { loss, tokens } = await objective.accumulate({ hyper: b.hyper, setOfRow: b.setOfRow, encoder: b.query, decoder: b.decoder, labels: b.labels.ids });
    hash.update(String(loss));
    await optimizer.update(1e-3, tokens);
  }
  for (const { buffer } of hyper.parameters.all()) hash.update((await engine.read(buffer)) as Float32Array);
  await engine.dispose();
  return hash.digest('hex');
}

test.each(['lora', 'prefix'] as const)('three steps of a %s hypermodel at one and at two threads', async (kind) => {
  const one = await threeSteps(kind, 1);
  expect(await threeSteps(kind, 2)).toBe(one);
  expect(await threeSteps(kind, 1)).toBe(one);
});
