import type { T5Config } from '../t5/config.ts';
import { innerWidth } from '../t5/config.ts';
import { feedForwardNames, layerIndex } from '../t5/tensor-names.ts';
import type { LoraModule, Stack } from './adapter-file.ts';

/** A linear of the T5 blocks that an adapter can be attached to. */
export type T5Linear = Pick<LoraModule, 'path' | 'stack' | 'block' | 'site' | 'name' | 'inFeatures' | 'outFeatures'>;

/** Every linear of both stacks by its module path, in model order; the output head is not among them. */
export function t5Linears(config: T5Config): Map<string, T5Linear> {
  const linears: T5Linear[] = [];
  const inner = innerWidth(config);
  const addAttention = (stack: Stack, block: number, site: 'self' | 'cross'): void => {
    const module = site === 'self' ? 'SelfAttention' : 'EncDecAttention';
    for (const name of ['q', 'k', 'v', 'o'] as const) {
      linears.push({
        path: `${stack}.block.${block}.layer.${layerIndex(stack, site)}.${module}.${name}`,
        stack,
        block,
        site,
        name,
        inFeatures: name === 'o' ? inner : config.dModel,
        outFeatures: name === 'o' ? config.dModel : inner,
      });
    }
  };
  const addFeedForward = (stack: Stack, block: number): void => {
    for (const name of feedForwardNames(config)) {
      linears.push({
        path: `${stack}.block.${block}.layer.${layerIndex(stack, 'ff')}.DenseReluDense.${name}`,
        stack,
        block,
        site: 'ff',
        name,
        inFeatures: name === 'wo' ? config.dFf : config.dModel,
        outFeatures: name === 'wo' ? config.dModel : config.dFf,
      });
    }
  };
  for (let block = 0; block < config.numLayers; block++) {
    addAttention('encoder', block, 'self');
    addFeedForward('encoder', block);
  }
  for (let block = 0; block < config.numDecoderLayers; block++) {
    addAttention('decoder', block, 'self');
    addAttention('decoder', block, 'cross');
    addFeedForward('decoder', block);
  }
  return new Map(linears.map((linear) => [linear.path, linear]));
}
