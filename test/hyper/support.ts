/** Tiny HyperT5 folders for tests: random weights, the 4,100-piece tokenizer. */
import { copyFile, mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Random } from '../../lib/data/random.ts';
import { Engine } from '../../lib/engine/engine.ts';
import { saveT5 } from '../../lib/files/load-t5.ts';
import { defaultHyperConfig } from '../../lib/hyper/config.ts';
import type { HyperConfig, HyperKind } from '../../lib/hyper/config.ts';
import { saveHypermodel } from '../../lib/hyper/files.ts';
import { allocateHypermodel } from '../../lib/hyper/hypermodel.ts';
import type { Hypermodel } from '../../lib/hyper/hypermodel.ts';
import { initializeHypermodel } from '../../lib/hyper/init.ts';
import type { T5Config } from '../../lib/t5/config.ts';
import { parseT5Config } from '../../lib/t5/config.ts';
import type { Parameters } from '../../lib/t5/parameters.ts';
import { allocateT5 } from '../../lib/t5/parameters.ts';
import { initializeT5, normals } from '../../lib/train/init.ts';

const TOKENIZER = new URL('../tokenizer/fixtures/t5style-4k/tokenizer.json', import.meta.url).pathname;

/** d != inner, odd widths, stacks of different depth. */
export function tinyConfig(vocabSize = 4100): T5Config {
  return parseT5Config({
    model_type: 't5', vocab_size: vocabSize, d_model: 20, d_kv: 6, d_ff: 28, num_heads: 4, num_layers: 2, num_decoder_layers: 3, feed_forward_proj: 'gated-gelu',
    tie_word_embeddings: true, scale_decoder_outputs: true, decoder_start_token_id: 0, pad_token_id: 0, eos_token_id: 1, dropout_rate: 0,
  });
}

export function hyperConfig(kind: HyperKind, change: Partial<HyperConfig> = {}): HyperConfig {
  return { ...defaultHyperConfig(kind), rank: 3, alpha: 6, prefixLength: 5, hyperTokens: 64, queryTokens: 24, answerTokens: 8, ...change };
}

export interface Tiny {
  config: T5Config;
  t5: Parameters;
  hyper: Hypermodel;
}

/** With `moved`, every head gets random weights, so that what it emits depends on the examples. */
export async function tinyHyper(engine: Engine, kind: HyperKind, { seed = 1, moved = true, vocabSize = 4100, change = {} as Partial<HyperConfig> } = {}): Promise<Tiny> {
  const config = tinyConfig(vocabSize);
  const t5 = allocateT5(engine, config, 'f32', true);
  await initializeT5(t5, config, Random.stream(seed, 't5'));
  const hyper = allocateHypermodel(engine, hyperConfig(kind, change), config, false);
  await initializeHypermodel(hyper, t5, Random.stream(seed, 'hyper'));
  if (moved) {
    const rng = Random.stream(seed, 'moved');
    for (const { name, buffer } of hyper.parameters.all()) {
      if (name.endsWith('.w2') || name.endsWith('.b2') || (name.startsWith('heads.') && name.endsWith('.norm'))) await engine.write(buffer, normals(rng, buffer.elements, 0.3));
    }
  }
  return { config, t5, hyper };
}

/** A folder that HyperT5.load takes. */
export async function tinyFolder(kinds: readonly HyperKind[], change: Partial<HyperConfig> = {}): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'hypert5-'));
  const engine = Engine.open({ device: 'cpu' });
  for (const kind of kinds.length ? kinds : (['lora'] as const)) {
    const { config, t5, hyper } = await tinyHyper(engine, kind, { change });
    await saveT5(dir, config, t5);
    if (kinds.length) await saveHypermodel(path.join(dir, `hyper-${kind}`), hyper, 'F32');
  }
  await mkdir(dir, { recursive: true });
  await copyFile(TOKENIZER, path.join(dir, 'tokenizer.json'));
  await engine.dispose();
  return dir;
}
