// Trains weights/tiny from nothing on generated CC0 tasks: the T5 (stages 0 and 1), then one hypermodel of each kind.
// npm run train:tiny -- --out weights/tiny [--stage t5,prefix,lora,export] [--seed 1] [--threads 2] [--scale 1]
// The folder holds tokenizer.json already; each stage reads what the one before wrote, `export` stores everything as bf16.
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { EpisodeSampler } from '../lib/data/episodes.ts';
import { Universe } from '../lib/data/families/universe.ts';
import { Random } from '../lib/data/random.ts';
import { TextSampler } from '../lib/data/text-modes.ts';
import type { TextMode } from '../lib/data/text-modes.ts';
import { WordCache } from '../lib/data/word-cache.ts';
import { Engine, cpuSettings } from '../lib/engine/engine.ts';
import { loadT5, saveT5 } from '../lib/files/load-t5.ts';
import { defaultHyperConfig } from '../lib/hyper/config.ts';
import type { HyperConfig, HyperPart } from '../lib/hyper/config.ts';
import { allocateHypermodel } from '../lib/hyper/hypermodel.ts';
import { initializeHypermodel } from '../lib/hyper/init.ts';
import { loadHypermodel, saveHypermodel } from '../lib/hyper/files.ts';
import { parseT5Config } from '../lib/t5/config.ts';
import { allocateT5 } from '../lib/t5/parameters.ts';
import { Tokenizer } from '../lib/tokenizer/tokenizer.ts';
import { AdamW } from '../lib/train/adamw.ts';
import { initializeT5 } from '../lib/train/init.ts';
import { lossCurve } from '../lib/train/loss-curve.ts';
import type { Objective, TextRows } from '../lib/train/objectives.ts';
import { hyperObjective, textObjective } from '../lib/train/objectives.ts';
import { trainedParameters } from '../lib/train/parameters.ts';
import { train } from '../lib/train/loop.ts';

const { values: args } = parseArgs({
  options: { out: { type: 'string', default: 'weights/tiny' }, stage: { type: 'string' }, seed: { type: 'string', default: '1' }, threads: { type: 'string', default: '2' }, scale: { type: 'string', default: '1' } },
});
const [out, seed, scaleSteps] = [args.out, Number(args.seed), Number(args.scale)];
cpuSettings({ threads: Number(args.threads) });

const CONFIG = parseT5Config({
  model_type: 't5', architectures: ['T5ForConditionalGeneration'], vocab_size: 4100, d_model: 128, d_kv: 32, d_ff: 256, num_heads: 4, num_layers: 2, num_decoder_layers: 2,
  relative_attention_num_buckets: 32, relative_attention_max_distance: 64, feed_forward_proj: 'gated-gelu', tie_word_embeddings: true, scale_decoder_outputs: true,
  layer_norm_epsilon: 1e-6, dropout_rate: 0.0, initializer_factor: 1.0, is_encoder_decoder: true, use_cache: true, decoder_start_token_id: 0, pad_token_id: 0, eos_token_id: 1,
});
const WINDOW = { hyperTokens: 150, queryTokens: 40, answerTokens: 24 };
const HYPER: Record<HyperPart, HyperConfig> = {
  lora: { ...defaultHyperConfig('lora'), rank: 8, alpha: 8, ...WINDOW },
  prefix: { ...defaultHyperConfig('prefix'), prefixLength: 8, ...WINDOW },
};
/** Rate, steps and mixture of each stage (tiny-study recipe). */
const STAGES = {
  cue: { peak: 4e-3, steps: 1500, mix: { cue: 0.9, none: 0.1 } },
  den: { peak: 3e-3, steps: 2200, mix: { den: 0.5, cue: 0.25, induce: 0.15, none: 0.1 } },
  prefix: { peak: 2e-3, steps: 2200 },
  lora: { peak: 2e-3, steps: 3500 },
};

const engine = Engine.open({ device: 'cpu' });
const tokenizer = await Tokenizer.fromFolder(out);
const encoder = new WordCache(tokenizer);
const universe = new Universe();
await mkdir(path.join(out, 'training'), { recursive: true });

/** Runs one stage, printing and keeping its losses. */
async function run<Batch extends TextRows>(name: string, objective: Objective<Batch>, optimizer: AdamW, steps: number, peak: number, decayFrom: number, batch: (step: number) => Batch): Promise<void> {
  const losses: number[] = [];
  let last = performance.now();
  const total = Math.round(steps * scaleSteps);
  const schedule = { peak, steps: total, warmup: Math.min(200, total / 5), decayFrom, floor: 0.05 };
  for await (const { step, loss, norm, lr, seconds } of train({ parts: [{ name, objective, batch }], optimizer, schedule })) {
    losses.push(loss);
    if (step % 50 !== 0 && step !== total - 1) continue;
    const recent = losses.slice(-50);
    const mean = recent.reduce((a, b) => a + b, 0) / recent.length;
    console.log(`${name} ${step}/${total} loss ${mean.toFixed(3)} norm ${norm.toFixed(2)} lr ${lr.toExponential(1)} ${(seconds * 1000).toFixed(0)} ms, ${((performance.now() - last) / 1000).toFixed(0)} s`);
    last = performance.now();
  }
  await writeFile(path.join(out, 'training', `${name}.json`), JSON.stringify({ stage: name, seed, steps: total, peak, losses: losses.map((l) => Number(l.toFixed(4))) }));
  await writeFile(path.join(out, 'training', `${name}.svg`), lossCurve(`weights/tiny: ${name}`, [{ name, values: losses }]));
}

async function trainT5(): Promise<void> {
  const parameters = allocateT5(engine, CONFIG, 'f32', false);
  await initializeT5(parameters, CONFIG, Random.stream(seed, 'init', 't5'));
  for (const stage of ['cue', 'den'] as const) {
    const { peak, steps, mix } = STAGES[stage];
    const optimizer = new AdamW(engine, trainedParameters(parameters.all(), CONFIG), { beta2: 0.98 });
    const sampler = new TextSampler(universe.trained, encoder, seed + (stage === 'den' ? 1000 : 0), { rows: 96, mix: mix as Partial<Record<TextMode, number>> });
    const objective = textObjective(engine, CONFIG, parameters, optimizer, { rows: 96, encoderTokens: 96 * 150, decoderTokens: 96 * 64 });
    await run(stage, objective, optimizer, steps, peak, 0.3, (step) => {
      const b = sampler.batch(step);
      return { encoder: { ids: b.encoderIds, offsets: b.encoderOffsets }, decoder: { ids: b.decoderIds, offsets: b.decoderOffsets }, labels: b.labels };
    });
    objective.dispose();
    optimizer.dispose();
    await saveT5(out, CONFIG, parameters, 'F32');
  }
}

async function trainHypermodel(kind: HyperPart): Promise<void> {
  const { config, parameters } = await loadT5(engine, out, { dtype: 'f32' });
  const hyper = allocateHypermodel(engine, HYPER[kind], config, false);
  await initializeHypermodel(hyper, parameters, Random.stream(seed, 'init', kind));
  const trained = trainedParameters(hyper.parameters.all(), config);
  const optimizer = new AdamW(engine, trained, { beta2: 0.98 });
  const sampler = new EpisodeSampler(universe.trained, encoder, seed, { sets: 16, queriesPerSet: 6, minShots: 3, maxShots: 8, ...WINDOW });
  const capacity = { rows: 96, encoderTokens: 96 * WINDOW.queryTokens, decoderTokens: 96 * WINDOW.answerTokens, sets: 16, hyperTokens: 16 * WINDOW.hyperTokens };
  const objective = hyperObjective(engine, config, parameters, hyper, optimizer, capacity);
  const { peak, steps } = STAGES[kind];
  await run(kind, objective, optimizer, steps, peak, 0.1, (step) => {
    const b = sampler.batch(step);
    return { hyper: b.hyper, setOfRow: b.setOfRow, encoder: b.query, decoder: b.decoder, labels: b.labels.ids };
  });
  await saveHypermodel(path.join(out, `hyper-${kind}`), hyper, 'F32');
}

/** fp32 masters -> bf16 files. */
async function exportWeights(): Promise<void> {
  const { config, parameters } = await loadT5(engine, out, { dtype: 'f32' });
  for (const kind of ['prefix', 'lora'] as const) {
    const dir = path.join(out, `hyper-${kind}`);
    await saveHypermodel(dir, await loadHypermodel(engine, dir, config), 'BF16');
  }
  await saveT5(out, config, parameters, 'BF16');
}

const stages = args.stage ? args.stage.split(',') : ['t5', 'prefix', 'lora', 'export'];
for (const stage of stages) await (stage === 't5' ? trainT5() : stage === 'export' ? exportWeights() : trainHypermodel(stage as HyperPart));
await engine.dispose();
