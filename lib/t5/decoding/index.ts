/** Decoding: greedy, sampling and beam search, and likelihoods of given answers. */
export { T5Decoder } from './decoder.ts';
export type { GenerateCall, PackedValues, RowOptions, Scores } from './decoder.ts';
export type { Adaptation } from './model.ts';
export type { GenerateOptions, GenerationDefaults } from './options.ts';
export type { Generated } from './sampling.ts';
