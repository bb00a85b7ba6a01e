/** The readers of files from elsewhere, each with valid files to start from and a way to damage them. */
import { mkdtempSync, readFileSync } from 'node:fs';
import { cp, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseExamples } from '../../lib/data/formats.ts';
import { Random } from '../../lib/data/random.ts';
import { parquetRows } from '../../lib/data/sources/parquet.ts';
import { parseGenerationConfig } from '../../lib/files/generation-config.ts';
import { decodeUtf8, parseJson } from '../../lib/files/json.ts';
import { readAdapterFolder } from '../../lib/files/peft.ts';
import { readT5Config } from '../../lib/files/t5-config-file.ts';
import { parseHyperConfig } from '../../lib/hyper/config.ts';
import type { T5Config } from '../../lib/t5/config.ts';
import { parseT5Config } from '../../lib/t5/config.ts';
import { Tokenizer } from '../../lib/tokenizer/tokenizer.ts';
import { CheckpointFolder } from '../../lib/train/run/checkpoint.ts';
import { parseRunConfig } from '../../lib/train/run/config.ts';
import { mutateBytes, mutateJson } from './mutate.ts';
import { mutateSafetensors, readSafetensors, validSafetensors } from './safetensors.ts';

export interface Target {
  seeds: Uint8Array[];
  mutate(seed: Uint8Array, random: Random): Uint8Array;
  /** Accepts the file, or throws a HypertuneError. What it accepts must be usable; any other error is a bug. */
  read(bytes: Uint8Array): unknown;
}

const ROOT = path.dirname(path.dirname(path.dirname(new URL(import.meta.url).pathname)));
const at = (...names: string[]): string => path.join(ROOT, ...names);
const file = (...names: string[]): Uint8Array => readFileSync(at(...names));
const bytesOf = (value: unknown): Uint8Array => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const jsonOf = (bytes: Uint8Array, name: string): unknown => parseJson(decodeUtf8(bytes, name), name);
const temporary = (): string => mkdtempSync(path.join(os.tmpdir(), 'hypertune-fuzz-'));

const mostlyJson = (seed: Uint8Array, random: Random): Uint8Array => (random.chance(0.8) ? bytesOf(mutateJson(JSON.parse(Buffer.from(seed).toString()), random)) : mutateBytes(seed, random));

function jsonTarget(name: string, seeds: Uint8Array[], read: (json: unknown) => unknown): Target {
  return { seeds, mutate: mostlyJson, read: (bytes) => read(jsonOf(bytes, name)) };
}

/** A tokenizer that was accepted encodes and decodes. */
function use(tokenizer: Tokenizer): void {
  for (const text of ['type  set\tsociety', 'naïve ﬁn 漢字 🙂\u0000', '']) {
    const ids = tokenizer.encode(text);
    if (ids.some((id) => id < 0 || id >= tokenizer.vocabSize)) throw new Error('an id outside the vocabulary');
    tokenizer.decode(ids);
  }
}

function tokenizerSeeds(): Uint8Array[] {
  const t5 = JSON.parse(Buffer.from(file('test/tokenizer/fixtures/t5style-4k/tokenizer.json')).toString());
  t5.model.vocab = t5.model.vocab.slice(0, 320);
  t5.added_tokens = t5.added_tokens.slice(0, 3);
  const small = { ...t5, normalizer: { type: 'Sequence', normalizers: [{ type: 'NFKC' }, { type: 'Lowercase' }] } };
  return [bytesOf(small), bytesOf(Tokenizer.fromSentencePiece(file('test/tokenizer/fixtures/user-defined.model'))), bytesOf(t5)];
}

/** Adapter folders: the file goes beside its sound partner into a folder that is used again. */
function adapterTarget(name: string, mutate: Target['mutate']): Target {
  const kinds = ['peft-lora', 'peft-lora-rslora', 'peft-prefix-2', 'peft-prefix-3', 'peft-prompt'];
  const seeds = kinds.map((kind, i) => Buffer.concat([Buffer.of(i), file('test/files/fixtures', kind, name)])); // the first byte says which
  const prepared = kinds.map(async (kind): Promise<[string, T5Config]> => {
    const dir = temporary();
    await cp(at('test/files/fixtures', kind), dir, { recursive: true });
    return [dir, await readT5Config(path.join(dir, 'base.json'))];
  });
  return {
    seeds, mutate: (seed, random) => Buffer.concat([seed.subarray(0, 1), mutate(seed.subarray(1), random)]),
    read: async (bytes) => {
      const [dir, base] = await prepared[bytes[0] % kinds.length];
      await writeFile(path.join(dir, name), bytes.subarray(1));
      await readAdapterFolder(dir, base);
    },
  };
}

function parquetTarget(): Target {
  const name = path.join(temporary(), 'rows.parquet');
  return {
    seeds: [file('test/data/goldens/snappy.parquet'), file('test/data/goldens/zstd.parquet')], mutate: mutateBytes,
    read: async (bytes) => {
      await writeFile(name, bytes);
      for await (const rows of parquetRows(name, {})) void rows;
    },
  };
}

/** A damaged checkpoint is passed over with a note: nothing is thrown. */
function checkpointTarget(): Target {
  const dir = temporary();
  const folder = path.join(dir, 'step-000003');
  const ready = cp(at('test/files/fixtures/mixed.safetensors'), path.join(folder, 'state.safetensors'));
  return {
    seeds: [bytesOf({ step: 3, tokens: 30, course: { seed: 1 }, best: { step: 2, loss: 1.5 }, stale: 0 })], mutate: mostlyJson,
    read: async (bytes) => {
      await ready;
      await writeFile(path.join(folder, 'state.json'), bytes);
      await new CheckpointFolder(dir).list();
    },
  };
}

function mutateLines(seed: Uint8Array, random: Random): Uint8Array {
  if (random.chance(0.3)) return mutateBytes(seed, random);
  const lines = Buffer.from(seed).toString().split('\n');
  const line = random.int(lines.length);
  lines[line] = Buffer.from(mostlyJson(bytesOf(lines[line] || '{}'), random)).toString();
  return bytesOf(lines.join(random.chance(0.9) ? '\n' : '\r\n'));
}

export const TARGETS: Record<string, () => Target> = {
  safetensors: () => ({
    seeds: [...['bare', 'mixed'].map((name) => file('test/files/fixtures', `${name}.safetensors`)), ...Array.from({ length: 30 }, (_, i) => validSafetensors(Random.stream(i, 'seeds')))],
    mutate: mutateSafetensors, read: readSafetensors,
  }),
  tokenizer: () => jsonTarget('tokenizer.json', tokenizerSeeds(), (json) => use(Tokenizer.fromJSON(json))),
  sentencepiece: () => ({
    seeds: ['no-prefix', 'spaces-kept', 'unused', 'user-defined'].map((name) => file('test/tokenizer/fixtures', `${name}.model`)), mutate: mutateBytes,
    read: (bytes) => use(Tokenizer.fromSentencePiece(bytes)),
  }),
  config: () => jsonTarget('config.json', ['test/goldens/models/flan', 'test/goldens/models/mt5', 'weights/tiny'].map((dir) => file(dir, 'config.json')), parseT5Config),
  generation: () => jsonTarget('generation_config.json', ['test/goldens/models/flan', 'weights/tiny'].map((dir) => file(dir, 'generation_config.json')), (json) => parseGenerationConfig(json, 1000)),
  hypermodel: () => jsonTarget('hyper_config.json', [file('weights/tiny/hyper-both/hyper_config.json')], parseHyperConfig),
  run: () => jsonTarget('config', [file('examples/train/own-tasks.json'), file('bench/train/tiny.json'), file('weights/tiny/training/04-joint.json')], (json) => parseRunConfig(json, 'config', ROOT)),
  adapter: () => adapterTarget('adapter_config.json', mostlyJson),
  tensors: () => adapterTarget('adapter_model.safetensors', mutateSafetensors),
  checkpoint: checkpointTarget,
  examples: () => ({ seeds: [file('examples/swap-first-two.jsonl'), bytesOf([{ input: 'a', output: ['b', 'c'], options: ['b'] }])], mutate: mutateLines, read: (bytes) => parseExamples(decodeUtf8(bytes, 'examples'), 'examples') }),
  parquet: parquetTarget,
};
