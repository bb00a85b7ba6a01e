/** The model sizes that benches measure: T5 v1.1 (gated GELU, untied head), and the first T5's small one. `tiny` is for trying the benches themselves. */
import type { T5Config } from '../lib/t5/config.ts';
import { parseT5Config } from '../lib/t5/config.ts';

const SIZES = {
  tiny: { d_model: 64, d_ff: 128, num_heads: 2, num_layers: 2, d_kv: 32, vocab_size: 512 },
  't5-small': { d_model: 512, d_ff: 2048, num_heads: 8, num_layers: 6, feed_forward_proj: 'relu', tie_word_embeddings: true },
  small: { d_model: 512, d_ff: 1024, num_heads: 6, num_layers: 8 },
  base: { d_model: 768, d_ff: 2048, num_heads: 12, num_layers: 12 },
  large: { d_model: 1024, d_ff: 2816, num_heads: 16, num_layers: 24 },
  xl: { d_model: 2048, d_ff: 5120, num_heads: 32, num_layers: 24 },
} as const;
export type SizeName = keyof typeof SIZES;
export const SIZE_NAMES = Object.keys(SIZES) as SizeName[];

/** `change`: fields of config.json that differ. */
export function configOf(size: SizeName, change: Record<string, unknown> = {}): T5Config {
  return parseT5Config({
    model_type: 't5', d_kv: 64, vocab_size: 32128, feed_forward_proj: 'gated-gelu', tie_word_embeddings: false, dropout_rate: 0, relative_attention_num_buckets: 32,
    relative_attention_max_distance: 128, layer_norm_epsilon: 1e-6, decoder_start_token_id: 0, pad_token_id: 0, eos_token_id: 1, ...SIZES[size], ...change,
  });
}
