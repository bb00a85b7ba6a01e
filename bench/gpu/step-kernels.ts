/** Which kernels the graph of a decoding step holds, by family of step; counted by the emulated device. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Random } from '../../lib/data/random.ts';
import { Engine } from '../../lib/engine/engine.ts';
import type { T5Config } from '../../lib/t5/config.ts';
import { T5Decoder } from '../../lib/t5/decoding/index.ts';
import { allocateT5 } from '../../lib/t5/parameters.ts';
import { initializeT5 } from '../../lib/train/init.ts';
import type { AdapterKind } from '../adapters.ts';
import { openAdapters } from '../adapters.ts';
import { configOf } from '../sizes.ts';

const SOURCE = 64, ANSWER = 64, STEPS = 3;

export interface StepKernels {
  adapter: AdapterKind;
  rows: number;
  /** Of the whole step with two layers, and what a third one adds, by name. */
  total: number;
  layer: string[];
}

/** Names of a library's functions by their offset in it, without namespaces, template arguments and parameters. */
function namesOf(library: string): Map<number, string> {
  const lines = execFileSync('nm', ['-C', '--defined-only', library], { encoding: 'utf8', maxBuffer: 1 << 28 }).split('\n');
  const short = (name: string) => name.replace(/^void /, '').replace(/\(anonymous namespace\)::|ht::cuda::/g, '').replace(/[(<].*/, '');
  return new Map(lines.map((line) => /^([0-9a-f]+) \w (.*)$/.exec(line)).filter((m) => m !== null).map(([, at, name]) => [parseInt(at, 16), short(name)]));
}

async function step(config: T5Config, adapter: AdapterKind, rows: number): Promise<void> {
  const engine = Engine.open({ device: 'cuda' });
  const parameters = allocateT5(engine, config, 'bf16', true);
  await initializeT5(parameters, config, Random.stream(1, 'kernels'));
  const { adaptation, slots } = await openAdapters(engine, config, adapter, rows);
  const decoder = new T5Decoder(engine, config, parameters, adaptation);
  // Sizes decide which kernels there are: room for a long answer, of which a few tokens are enough.
  const inputs = Array.from({ length: rows }, (_, r) => Int32Array.from({ length: SOURCE }, (_, i) => 2 + ((r + i) % 500)));
  const enough = new AbortController();
  let steps = 0;
  const onStep = () => ++steps === STEPS && enough.abort();
  await decoder.generate(inputs, { maxNewTokens: ANSWER, minNewTokens: ANSWER, slots, onStep, signal: enough.signal }).catch((error: unknown) => {
    if (!enough.signal.aborted) throw error;
  });
  await decoder.dispose();
  await engine.dispose();
}

/** Needs HYPERTUNE_CUDA_LIBRARY to be the emulated backend. The model is T5-small in its widths, with few words. */
export async function stepKernels(adapters: readonly AdapterKind[], rowCounts: readonly number[]): Promise<StepKernels[]> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'hypertune-kernels-'));
  const file = path.join(folder, 'graphs');
  process.env.HT_EMULATED_GRAPHS = file;
  const names = namesOf(process.env.HYPERTUNE_CUDA_LIBRARY!);
  const graphOf = async (layers: number, adapter: AdapterKind, rows: number): Promise<string[]> => {
    rmSync(file, { force: true });
    await step(configOf('small', { num_layers: layers, vocab_size: 512 }), adapter, rows);
    const graphs = readFileSync(file, 'utf8').trim().split('\n').map((line) => line.trim().split(' ').map((word) => names.get(parseInt(word, 16)) ?? word));
    return graphs.findLast((graph) => graph.some((name) => name.startsWith('sample')))!;
  };
  const out: StepKernels[] = [];
  for (const adapter of adapters) {
    for (const rows of rowCounts) {
      const [two, three] = [await graphOf(2, adapter, rows), await graphOf(3, adapter, rows)];
      out.push({ adapter, rows, total: two.length, layer: between(two, three) });
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
