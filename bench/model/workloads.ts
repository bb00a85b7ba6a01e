/** The workloads of the model bench, on our engine. Inputs are the same on both sides: a formula instead of a file. */
import { Random } from '../../lib/data/random.ts';
import type { DeviceName } from '../../lib/engine/engine.ts';
import { Engine } from '../../lib/engine/engine.ts';
import { loadT5, saveT5 } from '../../lib/files/load-t5.ts';
import type { T5Config } from '../../lib/t5/config.ts';
import { parseT5Config } from '../../lib/t5/config.ts';
import { T5Decoder } from '../../lib/t5/decoding/index.ts';
import type { WeightType } from '../../lib/t5/parameters.ts';
import { allocateT5 } from '../../lib/t5/parameters.ts';
import { initializeT5 } from '../../lib/train/init.ts';

/** T5 v1.1 (gated GELU, untied head). `tiny` is for trying the bench itself. */
const SIZES = {
  tiny: { d_model: 64, d_ff: 128, num_heads: 2, num_layers: 2, d_kv: 32, vocab_size: 512 },
  small: { d_model: 512, d_ff: 1024, num_heads: 6, num_layers: 8 },
  base: { d_model: 768, d_ff: 2048, num_heads: 12, num_layers: 12 },
  large: { d_model: 1024, d_ff: 2816, num_heads: 16, num_layers: 24 },
} as const;
export type SizeName = keyof typeof SIZES;
export const SIZE_NAMES = Object.keys(SIZES) as SizeName[];

export interface Workload {
  kind: 'encode' | 'decode';
  rows: number;
  /** Input tokens of every row. */
  length: number;
  /** Decode: the time of a step is that of `steps` generated tokens less that of `shortSteps`, per token. */
  steps: number;
  shortSteps: number;
}

export function configOf(size: SizeName): T5Config {
  return parseT5Config({
    model_type: 't5', d_kv: 64, vocab_size: 32128, feed_forward_proj: 'gated-gelu', tie_word_embeddings: false, dropout_rate: 0, relative_attention_num_buckets: 32,
    relative_attention_max_distance: 128, layer_norm_epsilon: 1e-6, decoder_start_token_id: 0, pad_token_id: 0, eos_token_id: 1, ...SIZES[size],
  });
}

/** A folder of random weights as Hugging Face writes it. */
export async function writeModel(folder: string, size: SizeName, dtype: WeightType): Promise<T5Config> {
  const config = configOf(size);
  const engine = Engine.open({ device: 'cpu' });
  const parameters = allocateT5(engine, config, 'f32', false);
  await initializeT5(parameters, config, Random.stream(1, 'bench', size));
  await saveT5(folder, config, parameters, dtype === 'bf16' ? 'BF16' : 'F32');
  await engine.dispose();
  return config;
}

/** Ids from 2 on: neither padding nor the end. peer.py has the same formula. */
function inputs({ rows, length }: Workload, vocabulary: number): Int32Array[] {
  return Array.from({ length: rows }, (_, r) => Int32Array.from({ length }, (_, i) => 2 + ((r * 131 + i * 17 + 7) % (vocabulary - 2))));
}

/** What a workload gave, in numbers that both sides can compare: the first states of the last row, or its tokens. */
export interface Outcome {
  seconds: number;
  check: number[];
}

export class Subject {
  private readonly engine: Engine;
  private readonly decoder: T5Decoder;
  private readonly vocabulary: number;

  private constructor(engine: Engine, decoder: T5Decoder, vocabulary: number) {
    this.engine = engine;
    this.decoder = decoder;
    this.vocabulary = vocabulary;
  }

  static async open(folder: string, device: DeviceName, dtype: WeightType): Promise<Subject> {
    const engine = Engine.open({ device });
    const { config, parameters } = await loadT5(engine, folder, { dtype });
    return new Subject(engine, new T5Decoder(engine, config, parameters), config.vocabSize);
  }

  get device(): string {
    return this.engine.info().device;
  }

  async run(work: Workload): Promise<Outcome> {
    const rows = inputs(work, this.vocabulary);
    if (work.kind === 'encode') {
      const { seconds, value } = await timed(() => this.decoder.encode(rows));
      return { seconds, check: [...value.values.slice(value.values.length - value.width, value.values.length - value.width + 8)] };
    }
    const generate = (steps: number) => timed(() => this.decoder.generate(rows, { maxNewTokens: steps, minNewTokens: steps }));
    const short = await generate(work.shortSteps);
    const long = await generate(work.steps);
    const last = long.value.sequences.at(-1)!;
    return { seconds: (long.seconds - short.seconds) / (work.steps - work.shortSteps), check: [...last] };
  }

  async close(): Promise<void> {
    await this.decoder.dispose();
    await this.engine.dispose();
  }
}

async function timed<T>(f: () => Promise<T>): Promise<{ seconds: number; value: T }> {
  const start = performance.now();
  const value = await f();
  return { seconds: (performance.now() - start) / 1e3, value };
}

/** Multiplications and additions of the products, and bytes of the weights that a run has to read at least once. */
export function floor(c: T5Config, work: Workload, dtype: WeightType): { flops: number; bytes: number } {
  const [d, f, inner] = [c.dModel, c.dFf, c.numHeads * c.dKv];
  const width = dtype === 'bf16' ? 2 : 4;
  if (work.kind === 'encode') {
    const layer = 4 * d * inner + 3 * d * f;
    const tokens = work.rows * work.length;
    return { flops: c.numLayers * (2 * tokens * layer + 4 * tokens * work.length * inner), bytes: width * c.numLayers * layer };
  }
  const read = c.numDecoderLayers * (6 * d * inner + 3 * d * f) + c.vocabSize * d;
  const keys = work.rows * c.numDecoderLayers * 2 * inner * (work.length + work.steps / 2);
  return { flops: 2 * work.rows * read, bytes: width * read + 4 * keys };
}
