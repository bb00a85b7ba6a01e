// What test/cuda/main-job.test.ts runs on one device, as a process of its own: `job.ts <device>` prints what the quickstart's way
// through a toy model answers, and the losses of 20 training steps. HYPERTUNE_CUDA_LIBRARY says what `cuda` is.
import { rm } from 'node:fs/promises';
import { EpisodeSampler } from '../../lib/data/episodes.ts';
import { Universe } from '../../lib/data/families/universe.ts';
import { quickstartTasks } from '../../lib/data/quickstart-tasks.ts';
import type { DeviceName } from '../../lib/engine/engine.ts';
import { Engine } from '../../lib/engine/engine.ts';
import { HyperT5 } from '../../lib/hyper/hypert5.ts';
import { Tokenizer } from '../../lib/tokenizer/tokenizer.ts';
import { AdamW } from '../../lib/train/adamw.ts';
import { hyperObjective } from '../../lib/train/objectives.ts';
import { trainedParameters } from '../../lib/train/parameters.ts';
import { tinyFolder, tinyHyper } from '../hyper/support.ts';

const KINDS = ['lora', 'prefix'] as const;
const TASKS = 3, QUERIES = 3, STEPS = 20;

export interface JobResult {
  /** As info() names it. */
  device: string;
  answers: string[];
  losses: number[];
}

async function answers(device: DeviceName): Promise<string[]> {
  const folder = await tinyFolder(KINDS);
  const model = await HyperT5.load(folder, { device });
  const out: string[] = [];
  for (const { shots, queries } of quickstartTasks().slice(0, TASKS)) {
    const inputs = queries.slice(0, QUERIES).map(({ input }) => input);
    const adapters = await Promise.all(KINDS.map((kind) => model.adapt(shots, { kind })));
    for (const adapter of adapters) out.push(...(await model.generate(inputs, { adapter, maxNewTokens: 6 })));
    out.push(...(await model.generate(inputs, { adapters: inputs.map((_, i) => adapters[i % 2]), maxNewTokens: 6, numBeams: 2 })));
  }
  await model.dispose();
  await rm(folder, { recursive: true });
  return out;
}

async function losses(device: DeviceName): Promise<number[]> {
  const engine = Engine.open({ device });
  const { config, t5, hyper } = await tinyHyper(engine, 'prefix', { moved: false });
  const tokenizer = await Tokenizer.fromFile(new URL('../tokenizer/fixtures/t5style-4k/tokenizer.json', import.meta.url).pathname);
  const sampler = new EpisodeSampler(new Universe().trained, tokenizer, 3, { sets: 2, queriesPerSet: 3, maxShots: 4 });
  const optimizer = new AdamW(engine, trainedParameters(hyper.parameters.all(), config));
  const objective = hyperObjective(engine, config, t5, hyper, optimizer, { rows: 6, encoderTokens: 240, decoderTokens: 150, sets: 2, hyperTokens: 300 });
  const out: number[] = [];
  for (let step = 0; step < STEPS; step++) {
    const b = sampler.batch(step);
    const { loss, tokens } = await objective.accumulate({ hyper: b.hyper, setOfRow: b.setOfRow, encoder: b.query, decoder: b.decoder, labels: b.labels.ids });
    out.push(loss / tokens);
    await optimizer.update(1e-4, tokens);
  }
  await engine.dispose();
  return out;
}

const device = process.argv[2] as DeviceName;
const probe = Engine.open({ device });
const { device: name } = probe.info();
await probe.dispose();
const result: JobResult = { device: name, answers: await answers(device), losses: await losses(device) };
process.stdout.write(`${JSON.stringify(result)}\n`);
