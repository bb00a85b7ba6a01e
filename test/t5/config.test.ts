import { describe, expect, test } from 'vitest';
import { HypertuneError } from '../../lib/engine/errors.ts';
import { innerWidth, parseT5Config, serializeT5Config } from '../../lib/t5/config.ts';
import type { JsonObject } from '../../lib/t5/fields.ts';
import { expectedTensors } from '../../lib/t5/tensor-names.ts';

/** What a published v1.0 configuration holds: no feed_forward_proj, no num_decoder_layers, no max_distance. */
const V1_0: JsonObject = {
  architectures: ['T5ForConditionalGeneration'],
  model_type: 't5',
  vocab_size: 32128,
  d_model: 512,
  d_kv: 64,
  d_ff: 2048,
  num_layers: 6,
  num_heads: 8,
  relative_attention_num_buckets: 32,
  layer_norm_epsilon: 1e-6,
  dropout_rate: 0.1,
  is_encoder_decoder: true,
  decoder_start_token_id: 0,
  pad_token_id: 0,
  eos_token_id: 1,
  n_positions: 512,
  task_specific_params: { summarization: { num_beams: 4 } },
};
const V1_1: JsonObject = {
  ...V1_0,
  d_ff: 1024,
  num_layers: 8,
  num_decoder_layers: 8,
  num_heads: 6,
  feed_forward_proj: 'gated-gelu',
  relative_attention_max_distance: 128,
  tie_word_embeddings: false,
};

function refusal(json: unknown): { code: string; field?: string; message: string } {
  try {
    parseT5Config(json);
  } catch (error) {
    if (error instanceof HypertuneError) return error;
    throw error;
  }
  throw new Error('accepted');
}

describe('families', () => {
  test('v1.0: ReLU, tied, scaled, symmetric, defaults of old files', () => {
    const config = parseT5Config(V1_0);
    expect(config).toMatchObject({
      modelType: 't5',
      feedForward: 'relu',
      tieWordEmbeddings: true,
      scaleDecoderOutputs: true,
      numDecoderLayers: 6,
      relativeAttentionMaxDistance: 128,
      eosTokenIds: [1],
      decoderStartTokenId: 0,
      initializerFactor: 1,
    });
  });

  test('v1.1: gated GELU, own head, no scaling, inner width other than d_model', () => {
    const config = parseT5Config(V1_1);
    expect(config).toMatchObject({ feedForward: 'gated-gelu', tieWordEmbeddings: false, scaleDecoderOutputs: false });
    expect(innerWidth(config)).toBe(384);
  });

  test('scale_decoder_outputs, as newer writers store it, wins over tie_word_embeddings', () => {
    const config = parseT5Config({ ...V1_1, tie_word_embeddings: true, scale_decoder_outputs: false });
    expect(config).toMatchObject({ tieWordEmbeddings: true, scaleDecoderOutputs: false });
  });

  test('mT5: gated by default and never scaled', () => {
    const { feed_forward_proj: _, ...json } = V1_1;
    const config = parseT5Config({ ...json, model_type: 'mt5', tie_word_embeddings: true });
    expect(config).toMatchObject({ modelType: 'mt5', feedForward: 'gated-gelu', scaleDecoderOutputs: false });
  });

  test('null is absent; a list of end tokens stays a list', () => {
    const config = parseT5Config({ ...V1_0, tie_word_embeddings: null, num_decoder_layers: null, eos_token_id: [1, 7] });
    expect(config).toMatchObject({ tieWordEmbeddings: true, numDecoderLayers: 6, eosTokenIds: [1, 7] });
  });

  test.each([
    ['relu', 'relu'],
    ['gelu_new', 'gelu'],
    ['gated-gelu', 'gated-gelu'],
    ['gated-gelu_new', 'gated-gelu'],
  ])('feed_forward_proj %s is %s', (proj, expected) => {
    expect(parseT5Config({ ...V1_0, feed_forward_proj: proj }).feedForward).toBe(expected);
  });
});

describe('refusals name the field', () => {
  test.each(['vocab_size', 'd_model', 'd_kv', 'd_ff', 'num_layers', 'num_heads', 'model_type'])('%s missing', (field) => {
    const { [field]: _, ...json } = V1_0;
    expect(refusal(json)).toMatchObject({ code: 'CONFIG_INVALID', field });
  });

  test.each([
    ['d_model', 0],
    ['d_model', -8],
    ['d_model', 2.5],
    ['d_model', '512'],
    ['d_model', 2 ** 31],
    ['d_kv', 2 ** 30],
    ['num_layers', 1e9],
    ['num_decoder_layers', 0],
    ['relative_attention_num_buckets', 2],
    ['relative_attention_num_buckets', 33],
    ['relative_attention_max_distance', 16],
    ['layer_norm_epsilon', 0],
    ['layer_norm_epsilon', -1e-6],
    ['dropout_rate', 1],
    ['dropout_rate', '0.1'],
    ['initializer_factor', -1],
    ['tie_word_embeddings', 'yes'],
    ['scale_decoder_outputs', 1],
    ['pad_token_id', 32128],
    ['decoder_start_token_id', -1],
    ['eos_token_id', [1, 32128]],
    ['eos_token_id', 'x'],
    ['feed_forward_proj', 3],
    ['dense_act_fn', 'silu'],
    ['is_gated_act', true],
    ['model_type', 5],
  ])('%s: %j is CONFIG_INVALID', (field, value) => {
    expect(refusal({ ...V1_0, [field]: value })).toMatchObject({ code: 'CONFIG_INVALID', field });
  });

  test.each([
    ['model_type', 'bert'],
    ['model_type', 'umt5'],
    ['feed_forward_proj', 'gated-silu'],
    ['feed_forward_proj', 'gelu'],
    ['feed_forward_proj', 'toString'],
    ['is_encoder_decoder', false],
    ['quantization_config', { bits: 4 }],
  ])('%s: %j is CONFIG_UNSUPPORTED', (field, value) => {
    expect(refusal({ ...V1_0, [field]: value })).toMatchObject({ code: 'CONFIG_UNSUPPORTED', field });
  });

  test.each([null, [], 'x', 5])('%j instead of an object', (json) => {
    expect(refusal(json)).toMatchObject({ code: 'CONFIG_INVALID', field: 'config.json' });
  });

  test('mT5 with scaling', () => {
    expect(refusal({ ...V1_1, model_type: 'mt5', scale_decoder_outputs: true })).toMatchObject({ code: 'CONFIG_INVALID' });
  });
});

describe('serializeT5Config', () => {
  test.each([V1_0, V1_1, { ...V1_1, tie_word_embeddings: true, scale_decoder_outputs: false, dense_act_fn: 'gelu_new' }])(
    'reads back to the same configuration and keeps unknown keys (%#)',
    (json) => {
      const config = parseT5Config(json);
      const written = serializeT5Config(config);
      expect(written).toMatchObject(json);
      expect({ ...parseT5Config(written), raw: null }).toEqual({ ...config, raw: null });
    },
  );

  test('writes changed fields, and the scaling where tying does not imply it', () => {
    const config = parseT5Config(V1_0);
    const untied = { ...config, tieWordEmbeddings: false, eosTokenIds: [1, 2], feedForward: 'gelu' as const };
    expect(serializeT5Config(untied)).toMatchObject({
      tie_word_embeddings: false,
      scale_decoder_outputs: true,
      eos_token_id: [1, 2],
      feed_forward_proj: 'gelu_new',
    });
    expect(serializeT5Config(config)).not.toHaveProperty('scale_decoder_outputs');
  });
});

describe('expectedTensors', () => {
  const parameters = (json: JsonObject): number => {
    let total = 0;
    for (const shape of expectedTensors(parseT5Config(json)).values()) total += shape.reduce((n, d) => n * d, 1);
    return total;
  };

  // Totals of the published checkpoints; v1.1 counts its lm_head.
  test.each([
    ['v1.0 small', V1_0, 60_506_624],
    ['v1.0 base', { ...V1_0, d_model: 768, d_ff: 3072, num_layers: 12, num_heads: 12 }, 222_903_552],
    ['v1.0 3b', { ...V1_0, d_model: 1024, d_ff: 16384, d_kv: 128, num_layers: 24, num_heads: 32 }, 2_851_598_336],
    ['v1.1 small', V1_1, 76_961_152],
    ['v1.1 xl', { ...V1_1, d_model: 2048, d_ff: 5120, num_layers: 24, num_decoder_layers: 24, num_heads: 32 }, 2_849_757_184],
    ['mT5 small', { ...V1_1, model_type: 'mt5', vocab_size: 250112 }, 300_176_768],
  ] as [string, JsonObject, number][])('%s has the published number of parameters', (_, json, total) => {
    expect(parameters(json)).toBe(total);
  });

  test('shapes are [out, in], and the bias table is in block 0 of each stack only', () => {
    const tensors = expectedTensors(parseT5Config(V1_1));
    expect(tensors.get('decoder.block.7.layer.1.EncDecAttention.o.weight')).toEqual([512, 384]);
    expect(tensors.get('encoder.block.3.layer.1.DenseReluDense.wi_1.weight')).toEqual([1024, 512]);
    expect(tensors.get('decoder.block.3.layer.2.DenseReluDense.wo.weight')).toEqual([512, 1024]);
    const tables = [...tensors.keys()].filter((name) => name.includes('relative_attention_bias'));
    expect(tables).toEqual([
      'encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight',
      'decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight',
    ]);
  });
});
