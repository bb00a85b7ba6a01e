/** Small runs: a T5 of one block each way and a LoRA hypermodel, on generated tasks. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import type { RunConfig } from '../../../lib/train/run/config.ts';
import { parseRunConfig } from '../../../lib/train/run/config.ts';
import { isValidation } from '../../../lib/train/run/metrics.ts';
import type { MetricRecord } from '../../../lib/train/run/metrics.ts';
import { trainRun } from '../../../lib/train/run/run.ts';
import type { RunOptions, RunStep } from '../../../lib/train/run/run.ts';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
export const TOKENIZER = path.join(ROOT, 'test/tokenizer/fixtures/t5style-4k');

const T5 = {
  model_type: 't5', vocab_size: 4100, d_model: 16, d_kv: 4, d_ff: 24, num_heads: 2, num_layers: 1, num_decoder_layers: 1, relative_attention_num_buckets: 8, relative_attention_max_distance: 16,
  feed_forward_proj: 'gated-gelu', tie_word_embeddings: true, dropout_rate: 0,
};
const HYPER = { kind: 'lora', rank: 2, alpha: 2, hyper_tokens: 60, query_tokens: 24, answer_tokens: 12 };

/** JSON of a run of both parts; `changes` replace its fields. */
export function toyJson(output: string, changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    output, seed: 5, threads: 1, t5: { config: T5, tokenizer: TOKENIZER }, hyper: { config: HYPER }, train: { t5: true },
    parts: [
      { kind: 'text', rows: 4, mix: { cue: 0.5, den: 0.5 }, listTokens: 60, data: [{ generated: {} }] },
      { kind: 'episodes', sets: 2, queriesPerSet: 2, microbatches: 2, data: [{ generated: {} }] },
    ],
    schedule: { peak: 5e-3, steps: 6, warmup: 2 }, checkpoint: { every: 2 }, ...changes,
  };
}

export function toyRun(output: string, changes: Record<string, unknown> = {}): RunConfig {
  return parseRunConfig(toyJson(output, changes));
}

export async function collect(config: RunConfig, options: RunOptions = {}): Promise<RunStep[]> {
  const steps: RunStep[] = [];
  for await (const step of trainRun(config, options)) steps.push(step);
  return steps;
}

/** A folder that goes with the test file. */
export async function temporaryFolder(): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'hypertune-run-'));
  afterAll(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

export async function readMetrics(output: string): Promise<MetricRecord[]> {
  return (await readFile(path.join(output, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n').map((line) => JSON.parse(line) as MetricRecord);
}

/** Steps in metrics.jsonl, without validations. */
export async function loggedSteps(output: string): Promise<number[]> {
  return (await readMetrics(output)).filter((r) => !isValidation(r)).map((r) => r.step);
}

/** Weights of the exported model, as bytes of its files. */
export async function exported(output: string): Promise<string> {
  const files = ['model/model.safetensors', 'model/hyper-lora/hypermodel.safetensors'];
  return (await Promise.all(files.map((file) => readFile(path.join(output, file), 'base64')))).join('\n');
}
