/**
 * Which kernels the graph of a decoding step holds, by family of step; counted by the emulated device.
 *   HYPERTUNE_CUDA_LIBRARY=build/tests/hypertune_cuda_emulated.so npx tsx bench/gpu/step-kernels.ts
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Random } from '../../lib/data/random.ts';
import { Engine } from '../../lib/engine/engine.ts';
import type { T5Config } from '../../lib/t5/config.ts';
import { T5Decoder } from '../../lib/t5/decoding/index.ts';
import { allocateT5 } from '../../lib/t5/parameters.ts';
import { initializeT5 } from '../../lib/train/init.ts';
import type { AdapterKind } from '../adapters.ts';
import { openAdapters } from '../adapters.ts';
import type { SizeName } from '../sizes.ts';
import { configOf } from '../sizes.ts';

const STEPS = 3;

/** Widths and lengths decide which kernels there are; the model has few words. */
export interface StepSizes {
  size: SizeName;
  source: number;
  answer: number;
}

export interface StepKernels {
  adapter: AdapterKind;
  rows: number;
  /** Of the whole step with two layers, and what the second one adds, by name. */
  total: number;
  layer: string[];
}

/** Names of a library's functions by their offset in it, without namespaces, template arguments and parameters. */
function namesOf(library: string): Map<number, string> {
  const lines = execFileSync('nm', ['-C', '--defined-only', library], { encoding: 'utf8', maxBuffer: 1 << 28 }).split('\n');
  const short = (name: string) => name.replace(/^void /, '').replace(/\(anonymous namespace\)::|ht::cuda::/g, '').replace(/[(<].*/, '');
  return new Map(lines.map((line) => /^([0-9a-f]+) \w (.*)$/.exec(line)).filter((m) => m !== null).map(([, at, name]) => [parseInt(at, 16), short(name)]));
}

async function step(config: T5Config, adapter: AdapterKind, rows: number, { source, answer }: StepSizes): Promise<void> {
  const engine = Engine.open({ device: 'cuda' });
  const parameters = allocateT5(engine, config, 'bf16', true);
  await initializeT5(parameters, config, Random.stream(1, 'kernels'));
  const { adaptation, slots } = await openAdapters(engine, config, adapter, rows);
  const decoder = new T5Decoder(engine, config, parameters, adaptation);
  // Room for the whole answer, of which a few tokens are enough.
  const inputs = Array.from({ length: rows }, (_, r) => Int32Array.from({ length: source }, (_, i) => 2 + ((r + i) % 500)));
  const enough = new AbortController();
  let steps = 0;
  const onStep = () => ++steps === STEPS && enough.abort();
  await decoder.generate(inputs, { maxNewTokens: answer, minNewTokens: answer, slots, onStep, signal: enough.signal }).catch((error: unknown) => {
    if (!enough.signal.aborted) throw error;
  });
  await decoder.dispose();
  await engine.dispose();
}

/** Needs HYPERTUNE_CUDA_LIBRARY to be the emulated backend. */
export async function stepKernels(adapters: readonly AdapterKind[], rowCounts: readonly number[], sizes: StepSizes = { size: 'small', source: 16, answer: 16 }): Promise<StepKernels[]> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'hypertune-kernels-'));
  const file = path.join(folder, 'graphs');
  process.env.HT_EMULATED_GRAPHS = file;
  const names = namesOf(process.env.HYPERTUNE_CUDA_LIBRARY!);
  const graphOf = async (layers: number, adapter: AdapterKind, rows: number): Promise<string[]> => {
    rmSync(file, { force: true });
    await step(configOf(sizes.size, { num_layers: layers, vocab_size: 512 }), adapter, rows, sizes);
    const graphs = readFileSync(file, 'utf8').trim().split('\n').map((line) => line.trim().split(' ').map((word) => names.get(parseInt(word, 16)) ?? word));
    return graphs.findLast((graph) => graph.some((name) => name.startsWith('sample')))!;
  };
  const out: StepKernels[] = [];
  for (const adapter of adapters) {
    for (const rows of rowCounts) {
      const [one, two] = [await graphOf(1, adapter, rows), await graphOf(2, adapter, rows)];
      out.push({ adapter, rows, total: two.length, layer: between(one, two) });
    }
  }
  rmSync(folder, { recursive: true });
  return out;
}

/** The piece of `longer` that follows what both begin with; the rest is the end of `shorter`. */
function between(shorter: readonly string[], longer: readonly string[]): string[] {
  const first = longer.findIndex((name, i) => name !== shorter[i]);
  return longer.slice(first, first + longer.length - shorter.length);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { adapter, rows, total, layer } of await stepKernels(['none', 'lora', 'prefix'], [1])) {
    console.log(`${adapter}, ${rows} row: ${layer.length} per layer, ${total} with two layers: ${layer.join(' ')}`);
  }
}
