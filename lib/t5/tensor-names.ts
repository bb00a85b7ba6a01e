import type { T5Config } from './config.ts';
import { innerWidth } from './config.ts';

export type Shape = readonly number[];

/** Layer index inside a block: self-attention, cross-attention (decoder only), feed-forward. */
export function layerIndex(stack: 'encoder' | 'decoder', site: 'self' | 'cross' | 'ff'): number {
  if (site === 'self') return 0;
  if (site === 'cross') return 1;
  return stack === 'encoder' ? 1 : 2;
}

/** Names of the linears of a feed-forward layer in checkpoint order; the last one writes the residual stream. */
export function feedForwardNames(config: T5Config): ('wi' | 'wi_0' | 'wi_1' | 'wo')[] {
  return config.feedForward === 'gated-gelu' ? ['wi_0', 'wi_1', 'wo'] : ['wi', 'wo'];
}

/**
 * Every tensor a checkpoint of this configuration must have, under its Hugging Face name, with its shape (`[out, in]`).
 * `lm_head.weight` is among them only where the head is not tied.
 */
export function expectedTensors(config: T5Config): Map<string, Shape> {
  const tensors = new Map<string, Shape>();
  tensors.set('shared.weight', [config.vocabSize, config.dModel]);
  addStack(tensors, config, 'encoder', config.numLayers);
  addStack(tensors, config, 'decoder', config.numDecoderLayers);
  if (!config.tieWordEmbeddings) tensors.set('lm_head.weight', [config.vocabSize, config.dModel]);
  return tensors;
}

/**
 * Tensors some writers add that carry nothing new: copies of `shared.weight`, and in old files a bias table
 * at cross-attention that the model never reads.
 */
export function toleratedTensors(config: T5Config): { copiesOfShared: Map<string, Shape>; ignored: Map<string, Shape> } {
  const embedding: Shape = [config.vocabSize, config.dModel];
  const copiesOfShared = new Map<string, Shape>([
    ['encoder.embed_tokens.weight', embedding],
    ['decoder.embed_tokens.weight', embedding],
  ]);
  const ignored = new Map<string, Shape>([
    [
      'decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight',
      [config.relativeAttentionNumBuckets, config.numHeads],
    ],
  ]);
  return { copiesOfShared, ignored };
}

function addStack(tensors: Map<string, Shape>, config: T5Config, stack: 'encoder' | 'decoder', blocks: number): void {
  for (let i = 0; i < blocks; i++) {
    const block = `${stack}.block.${i}`;
    addAttention(tensors, config, `${block}.layer.0`, 'SelfAttention');
    if (i === 0) {
      tensors.set(`${block}.layer.0.SelfAttention.relative_attention_bias.weight`, [
        config.relativeAttentionNumBuckets,
        config.numHeads,
      ]);
    }
    if (stack === 'decoder') addAttention(tensors, config, `${block}.layer.1`, 'EncDecAttention');
    const layer = `${block}.layer.${layerIndex(stack, 'ff')}`;
    for (const name of feedForwardNames(config)) {
      const shape = name === 'wo' ? [config.dModel, config.dFf] : [config.dFf, config.dModel];
      tensors.set(`${layer}.DenseReluDense.${name}.weight`, shape);
    }
    tensors.set(`${layer}.layer_norm.weight`, [config.dModel]);
  }
  tensors.set(`${stack}.final_layer_norm.weight`, [config.dModel]);
}

function addAttention(tensors: Map<string, Shape>, config: T5Config, layer: string, attention: string): void {
  const inner = innerWidth(config);
  for (const name of ['q', 'k', 'v']) tensors.set(`${layer}.${attention}.${name}.weight`, [inner, config.dModel]);
  tensors.set(`${layer}.${attention}.o.weight`, [config.dModel, inner]);
  tensors.set(`${layer}.layer_norm.weight`, [config.dModel]);
}
