import { HypertuneError } from '../engine/errors.ts';
import { ConfigFields } from './fields.ts';
import type { JsonObject } from './fields.ts';

/** `relu`: wo(relu(wi x)); `gelu`: wo(gelu(wi x)); `gated-gelu`: wo(gelu(wi_0 x) * wi_1 x). GELU is always the tanh form. */
export type FeedForward = 'relu' | 'gelu' | 'gated-gelu';

/** A T5 family model (v1.0, v1.1, LM-adapt, FLAN, mT5) as its `config.json` describes it. */
export interface T5Config {
  modelType: 't5' | 'mt5';
  vocabSize: number;
  dModel: number;
  /** Width of one attention head; heads * dKv (the inner width) need not equal dModel. */
  dKv: number;
  dFf: number;
  numHeads: number;
  numLayers: number;
  numDecoderLayers: number;
  relativeAttentionNumBuckets: number;
  relativeAttentionMaxDistance: number;
  layerNormEpsilon: number;
  dropoutRate: number;
  initializerFactor: number;
  feedForward: FeedForward;
  /** True: the output projection is `shared.weight`. The checkpoint has the last word: see `checkCheckpoint`. */
  tieWordEmbeddings: boolean;
  /** True: decoder output is multiplied by dModel^-0.5 before the projection (v1.0 only). */
  scaleDecoderOutputs: boolean;
  padTokenId: number;
  eosTokenIds: number[];
  decoderStartTokenId: number;
  /** The JSON as it was read; keys that are not ours survive a write. */
  raw: JsonObject;
}

const MAX_DIMENSION = 2 ** 31 - 1;
const MAX_BLOCKS = 1024;

/** From the value of `feed_forward_proj`. Its bare `gelu` is the exact erf form, which no T5 checkpoint uses. */
const FEED_FORWARD: Record<string, FeedForward> = {
  relu: 'relu',
  gelu_new: 'gelu',
  'gated-gelu': 'gated-gelu',
  'gated-gelu_new': 'gated-gelu',
};

/** Heads times head width: the width of q, k, v and of the input of o. */
export function innerWidth(config: T5Config): number {
  return config.numHeads * config.dKv;
}

/**
 * Reads a parsed `config.json`. Sizes are required; what older files leave out takes the value the family always had.
 * Throws CONFIG_INVALID (missing, wrong type, out of range) or CONFIG_UNSUPPORTED (another architecture or activation).
 */
export function parseT5Config(json: unknown, source = 'config.json'): T5Config {
  const f = new ConfigFields(json, source);
  const modelType = parseModelType(f);
  const dimension = (name: string): number => f.integer(name, undefined, { min: 1, max: MAX_DIMENSION });
  const blocks = { min: 1, max: MAX_BLOCKS };

  const vocabSize = dimension('vocab_size');
  const numLayers = f.integer('num_layers', undefined, blocks);
  const numHeads = dimension('num_heads');
  const dKv = dimension('d_kv');
  if (numHeads * dKv > MAX_DIMENSION) throw f.invalid('d_kv', `num_heads * d_kv of at most ${MAX_DIMENSION}`);

  const numBuckets = f.integer('relative_attention_num_buckets', 32, { min: 4, max: MAX_DIMENSION });
  if (numBuckets % 2 !== 0) throw f.invalid('relative_attention_num_buckets', 'an even number, half for each direction');
  const maxDistance = f.integer('relative_attention_max_distance', 128, { min: 1, max: MAX_DIMENSION });
  if (maxDistance <= numBuckets / 2) {
    throw f.invalid('relative_attention_max_distance', `more than half of relative_attention_num_buckets (${numBuckets})`);
  }

  const dropoutRate = f.number('dropout_rate', 0.1, { min: 0, max: 1 });
  if (dropoutRate === 1) throw f.invalid('dropout_rate', 'less than 1');
  const layerNormEpsilon = f.number('layer_norm_epsilon', 1e-6, { min: 0, max: 1 });
  if (layerNormEpsilon === 0) throw f.invalid('layer_norm_epsilon', 'more than 0, or a row of zeros divides by zero');

  const tieWordEmbeddings = f.boolean('tie_word_embeddings', true);
  const id = { min: 0, max: vocabSize - 1 };
  const padTokenId = f.integer('pad_token_id', 0, id);

  return {
    modelType,
    vocabSize,
    dModel: dimension('d_model'),
    dKv,
    dFf: dimension('d_ff'),
    numHeads,
    numLayers,
    numDecoderLayers: f.integer('num_decoder_layers', numLayers, blocks),
    relativeAttentionNumBuckets: numBuckets,
    relativeAttentionMaxDistance: maxDistance,
    layerNormEpsilon,
    dropoutRate,
    initializerFactor: f.number('initializer_factor', 1, { min: 0 }),
    feedForward: parseFeedForward(f, modelType),
    tieWordEmbeddings,
    scaleDecoderOutputs: parseScale(f, modelType, tieWordEmbeddings),
    padTokenId,
    eosTokenIds: f.ids('eos_token_id', id.max) ?? [1],
    decoderStartTokenId: f.integer('decoder_start_token_id', padTokenId, id),
    raw: structuredClone(f.raw),
  };
}

function parseModelType(f: ConfigFields): 't5' | 'mt5' {
  const modelType = f.string('model_type');
  if (modelType !== 't5' && modelType !== 'mt5') {
    throw f.unsupported('model_type', 'Use a T5 or mT5 checkpoint (v1.0, v1.1, LM-adapt, FLAN).');
  }
  if (!f.boolean('is_encoder_decoder', true)) {
    throw f.unsupported('is_encoder_decoder', 'Use the full encoder-decoder checkpoint.');
  }
  if (f.get('quantization_config') !== undefined) {
    throw f.unsupported('quantization_config', 'Save the checkpoint in float32, float16 or bfloat16.');
  }
  return modelType;
}

function parseFeedForward(f: ConfigFields, modelType: 't5' | 'mt5'): FeedForward {
  const proj = f.string('feed_forward_proj', modelType === 'mt5' ? 'gated-gelu' : 'relu');
  const feedForward = Object.hasOwn(FEED_FORWARD, proj) ? FEED_FORWARD[proj] : undefined;
  if (feedForward === undefined) {
    throw f.unsupported('feed_forward_proj', `Supported: ${Object.keys(FEED_FORWARD).join(', ')}.`);
  }
  const gated = feedForward === 'gated-gelu';
  const activation = feedForward === 'relu' ? 'relu' : 'gelu_new';
  if (f.boolean('is_gated_act', gated) !== gated) throw f.invalid('is_gated_act', `${gated}, as feed_forward_proj says`);
  if (f.string('dense_act_fn', activation) !== activation) {
    throw f.invalid('dense_act_fn', `"${activation}", as feed_forward_proj says`);
  }
  return feedForward;
}

/**
 * T5 v1.0 scales, v1.1 does not, and `tie_word_embeddings` told them apart. Newer writers store `tie_word_embeddings: true`
 * for both and put the difference into `scale_decoder_outputs`, which therefore wins. mT5 never scales.
 */
function parseScale(f: ConfigFields, modelType: 't5' | 'mt5', tied: boolean): boolean {
  const scaled = f.boolean('scale_decoder_outputs', modelType === 't5' && tied);
  if (scaled && modelType === 'mt5') throw f.invalid('scale_decoder_outputs', 'false: mT5 does not scale');
  return scaled;
}

/** The JSON of `config.json`: the typed fields over `raw`, so that keys this package does not know survive. */
export function serializeT5Config(config: T5Config): JsonObject {
  if (config.modelType === 'mt5' && config.scaleDecoderOutputs) {
    throw new HypertuneError('CONFIG_INVALID', 'mT5 does not scale the decoder output.', { field: 'scaleDecoderOutputs' });
  }
  const json: JsonObject = {
    ...structuredClone(config.raw),
    model_type: config.modelType,
    is_encoder_decoder: true,
    vocab_size: config.vocabSize,
    d_model: config.dModel,
    d_kv: config.dKv,
    d_ff: config.dFf,
    num_heads: config.numHeads,
    num_layers: config.numLayers,
    num_decoder_layers: config.numDecoderLayers,
    relative_attention_num_buckets: config.relativeAttentionNumBuckets,
    relative_attention_max_distance: config.relativeAttentionMaxDistance,
    layer_norm_epsilon: config.layerNormEpsilon,
    dropout_rate: config.dropoutRate,
    initializer_factor: config.initializerFactor,
    feed_forward_proj: config.feedForward === 'gelu' ? 'gelu_new' : config.feedForward,
    tie_word_embeddings: config.tieWordEmbeddings,
    pad_token_id: config.padTokenId,
    eos_token_id: config.eosTokenIds.length === 1 ? config.eosTokenIds[0] : [...config.eosTokenIds],
    decoder_start_token_id: config.decoderStartTokenId,
  };
  const impliedScale = config.modelType === 't5' && config.tieWordEmbeddings;
  if ('scale_decoder_outputs' in json || config.scaleDecoderOutputs !== impliedScale) {
    json.scale_decoder_outputs = config.scaleDecoderOutputs;
  }
  if ('dense_act_fn' in json) json.dense_act_fn = config.feedForward === 'relu' ? 'relu' : 'gelu_new';
  if ('is_gated_act' in json) json.is_gated_act = config.feedForward === 'gated-gelu';
  return json;
}
