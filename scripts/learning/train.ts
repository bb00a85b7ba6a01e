/** A hypermodel for the bundled T5 from nothing, trained for some hundred steps, and loaded as its users load it. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Random } from '../../lib/data/random.ts';
import { Engine } from '../../lib/engine/engine.ts';
import { loadT5 } from '../../lib/files/load-t5.ts';
import type { LoadedT5 } from '../../lib/files/load-t5.ts';
import { defaultHyperConfig } from '../../lib/hyper/config.ts';
import type { HyperKind } from '../../lib/hyper/config.ts';
import { saveHypermodel } from '../../lib/hyper/files.ts';
import { allocateHypermodel } from '../../lib/hyper/hypermodel.ts';
import type { Hypermodel } from '../../lib/hyper/hypermodel.ts';
import { initializeHypermodel } from '../../lib/hyper/init.ts';
import { HyperT5 } from '../../lib/index.ts';
import { Tokenizer } from '../../lib/tokenizer/tokenizer.ts';
import { AdamW } from '../../lib/train/adamw.ts';
import { train } from '../../lib/train/loop.ts';
import { hyperObjective } from '../../lib/train/objectives.ts';
import type { EpisodeRows, Objective } from '../../lib/train/objectives.ts';
import { trainedParameters } from '../../lib/train/parameters.ts';
import type { Schedule } from '../../lib/train/schedule.ts';

export interface Training {
  engine: Engine;
  tokenizer: Tokenizer;
  t5: LoadedT5;
  hyper: Hypermodel;
  optimizer: AdamW;
  objective: Objective<EpisodeRows>;
}

const [SETS, ROWS] = [64, 256];

export async function startHypermodel(folder: string, kind: HyperKind, window: { hyperTokens: number; queryTokens: number; answerTokens: number }): Promise<Training> {
  const engine = Engine.open({ device: 'cpu' });
  const t5 = await loadT5(engine, folder, { dtype: 'f32' });
  const hyper = allocateHypermodel(engine, { ...defaultHyperConfig(kind), rank: 4, alpha: 4, prefixLength: 8, ...window }, t5.config, false);
  await initializeHypermodel(hyper, t5.parameters, Random.stream(1, 'init'));
  const optimizer = new AdamW(engine, trainedParameters(hyper.parameters.all(), t5.config), { beta2: 0.98 });
  const capacity = { rows: ROWS, encoderTokens: ROWS * window.queryTokens, decoderTokens: ROWS * window.answerTokens, sets: SETS, hyperTokens: SETS * window.hyperTokens };
  const objective = hyperObjective(engine, t5.config, t5.parameters, hyper, optimizer, capacity);
  return { engine, tokenizer: await Tokenizer.fromFolder(folder), t5, hyper, optimizer, objective };
}

/** Goes on to step `until` of a run of `steps`. */
export async function trainSteps({ objective, optimizer }: Training, steps: number, batch: (step: number) => EpisodeRows, until = steps): Promise<void> {
  const schedule: Schedule = { kind: 'cosine', peak: 1e-3, steps, warmup: 50, decayFrom: 0.5, floor: 0.05 };
  const losses: number[] = [];
  for await (const { step, loss } of train({ parts: [{ name: 'episodes', objective, batch }], optimizer, schedule })) {
    losses.push(loss);
    if (step % 50 === 49) console.log(`  step ${step + 1}/${steps}: loss ${(losses.slice(-50).reduce((a, b) => a + b, 0) / Math.min(50, losses.length)).toFixed(3)}`);
    if (step + 1 === until) return;
  }
}

/** The bundled T5 with the trained hypermodel, through a folder. */
export async function loadTrained(folder: string, { hyper }: Training): Promise<HyperT5> {
  const dir = await mkdtemp(path.join(tmpdir(), 'learning-'));
  try {
    await cp(folder, dir, { recursive: true, filter: (source) => !path.basename(source).startsWith('hyper-') });
    await saveHypermodel(path.join(dir, `hyper-${hyper.config.kind}`), hyper, 'F32');
    return await HyperT5.load(dir, { dtype: 'f32' });
  } finally {
    await rm(dir, { recursive: true });
  }
}
