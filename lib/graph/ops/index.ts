/** Every op as a function, and the gradient rules of those that have one. */
import type { GradientRules } from '../gradient-rule.ts';
import { activationGradients } from './activation.ts';
import { attentionGradients } from './attention.ts';
import { crossEntropyGradients } from './cross-entropy.ts';
import { dropoutGradients } from './dropout.ts';
import { elementwiseGradients } from './elementwise.ts';
import { embeddingGradients } from './embedding.ts';
import { hyperHeadsGradients } from './hyper-heads.ts';
import { loraLinearGradients } from './lora-linear.ts';
import { reduceGradients } from './reduce.ts';
import { rmsNormGradients } from './rms-norm.ts';
import { rowsGradients } from './rows.ts';
import { viewGradients } from './view.ts';

export * from './activation.ts';
export * from './attention.ts';
export * from './cross-entropy.ts';
export * from './decode.ts';
export * from './dropout.ts';
export type * from './arguments.ts';
export * from './elementwise.ts';
export * from './embedding.ts';
export * from './hyper-heads.ts';
export * from './lora-linear.ts';
export * from './optimizer.ts';
export * from './reduce.ts';
export * from './rms-norm.ts';
export * from './rows.ts';
export * from './state.ts';
export * from './view.ts';

export const GRADIENTS: GradientRules = {
  ...activationGradients,
  ...attentionGradients,
  ...crossEntropyGradients,
  ...dropoutGradients,
  ...elementwiseGradients,
  ...embeddingGradients,
  ...hyperHeadsGradients,
  ...loraLinearGradients,
  ...reduceGradients,
  ...rmsNormGradients,
  ...rowsGradients,
  ...viewGradients,
};
