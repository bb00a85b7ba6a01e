/**
 * The adapters of peft-written/: seeded values in our own exporter's hands. Run this file to write the folders again
 * (`node --import tsx test/goldens/written.ts`), then check_written.py for their goldens.
 */
import path from 'node:path';
import { Random } from '../../lib/data/random.ts';
import type { AdapterFile } from '../../lib/files/adapter-file.ts';
import { writePeftFolder } from '../../lib/files/peft.ts';
import { readT5Config } from '../../lib/files/t5-config-file.ts';
import { t5Linears } from '../../lib/files/t5-linears.ts';
import type { T5Config } from '../../lib/t5/config.ts';
import { innerWidth } from '../../lib/t5/config.ts';
import { normals } from '../../lib/train/init.ts';
import { GOLDENS, modelFolder } from './read.ts';

interface Written {
  name: string;
  base: string;
  adapter(base: T5Config, rng: Random): AdapterFile;
}

/** LoRA of the linears that `pick` takes, rank and alpha by position. */
function lora(base: T5Config, rng: Random, pick: (name: string) => boolean, rank: (i: number) => number, alpha: (i: number) => number): AdapterFile {
  const modules = [...t5Linears(base).values()].filter(({ name }) => pick(name)).map((linear, i) => ({
    ...linear, rank: rank(i), alpha: alpha(i), scale: alpha(i) / rank(i),
    a: normals(rng, rank(i) * linear.inFeatures, 0.3), b: normals(rng, rank(i) * linear.outFeatures, 0.3),
  }));
  return { kind: 'lora', modules, config: {} };
}

export const WRITTEN: readonly Written[] = [
  { name: 'lora-hypert5', base: 't5-v1.1', adapter: (base, rng) => lora(base, rng, (name) => name === 'q' || name === 'v', () => 8, () => 8) },
  { name: 'lora-ragged', base: 't5-v1.0', adapter: (base, rng) => lora(base, rng, () => true, (i) => 1 + (i % 3), (i) => 2 + (i % 4)) },
  {
    name: 'prompt', base: 'flan',
    adapter: (base, rng) => ({ kind: 'prompt', length: 5, width: base.dModel, embeddings: normals(rng, 5 * base.dModel, 1), config: {} }),
  },
  {
    name: 'prefix-decoder', base: 'prefix-ln3',
    adapter: (base, rng) => ({
      kind: 'prefix', length: 4, biasPolicy: 'preceding', config: {},
      sites: Array.from({ length: base.numDecoderLayers }, (_, block) => ({ stack: 'decoder' as const, block, site: 'self' as const, k: normals(rng, 4 * innerWidth(base), 0.7), v: normals(rng, 4 * innerWidth(base), 0.7) })),
    }),
  },
];

/** Writes one of them into `dir`. */
export async function write({ name, base, adapter }: Written, dir: string): Promise<void> {
  const config = await readT5Config(path.join(modelFolder(base), 'config.json'));
  await writePeftFolder(dir, adapter(config, Random.stream(1, 'written', name)), { base: config, baseModelName: base });
}

if (process.argv[1] === new URL(import.meta.url).pathname) for (const one of WRITTEN) await write(one, path.join(GOLDENS, 'peft-written', one.name));
