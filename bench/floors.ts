/**
 * Floors: the operations and bytes that a workload cannot do without, and the least time they take on a device. Bytes are those
 * of weights and caches, each once; operations are those of the matrix products.
 */
import type { T5Config } from '../lib/t5/config.ts';
import { innerWidth } from '../lib/t5/config.ts';

/** What a device reaches at best: FLOP/s of large products, bytes/s. */
export interface Ceilings {
  flops: number;
  bandwidth: number;
}
/** Measured: bf16 products and copies. */
export const H200: Ceilings = { flops: 790e12, bandwidth: 4.3e12 };

export interface Work {
  flops: number;
  bytes: number;
}
export type Width = 1 | 2 | 4;

/** Seconds. */
export function floorOf({ flops, bytes }: Work, ceilings: Ceilings): number {
  return Math.max(flops / ceilings.flops, bytes / ceilings.bandwidth);
}

/** Weights of one layer: of the encoder, of the decoder, and of the decoder without cross-attention's k and v, which a step does not read. */
function layers(c: T5Config): { encoder: number; decoder: number; step: number } {
  const [square, feedForward] = [c.dModel * innerWidth(c), (c.feedForward === 'gated-gelu' ? 3 : 2) * c.dModel * c.dFf];
  return { encoder: 4 * square + feedForward, decoder: 8 * square + feedForward, step: 6 * square + feedForward };
}

/** Encoder over `rows` inputs of `length` tokens, each behind `prefix` keys. */
export function encodeWork(c: T5Config, { rows, length, prefix = 0 }: { rows: number; length: number; prefix?: number }, width: Width): Work {
  const { encoder } = layers(c);
  return { flops: rows * c.numLayers * (2 * length * encoder + 4 * length * (length + prefix) * innerWidth(c)), bytes: width * c.numLayers * encoder };
}

/**
 * One decoding step at position `step`: weights, head, both caches and, with `rank`, low-rank terms of q and v of self-attention
 * and q of cross-attention that every row has for itself.
 */
export function decodeWork(c: T5Config, { rows, length, step, prefix = 0, rank = 0 }: { rows: number; length: number; step: number; prefix?: number; rank?: number }, width: Width): Work {
  const inner = innerWidth(c);
  const weights = c.numDecoderLayers * layers(c).step + c.vocabSize * c.dModel;
  const caches = rows * c.numDecoderLayers * 2 * inner * (step + length + prefix);
  const lowRank = rows * c.numDecoderLayers * 3 * rank * (c.dModel + inner);
  return { flops: 2 * (rows * weights + caches + lowRank), bytes: width * (weights + caches + lowRank) };
}

/** A hypermodel's LoRA adapter from `length` evidence tokens: trunk, one query per block and site, and the heads of q and v. */
export function generateWork(c: T5Config, { length, rank }: { length: number; rank: number }, width: Width): Work {
  const [d, inner] = [c.dModel, innerWidth(c)];
  const queries = c.numLayers + c.numDecoderLayers;
  const { encoder, decoder } = layers(c);
  const head = d * d + d * rank * (d + inner);
  const perBlock = 2 * queries * encoder + 4 * queries ** 2 * inner + 4 * queries * d * inner + 4 * length * d * inner + 4 * queries * length * inner;
  return {
    flops: encodeWork(c, { rows: 1, length }, width).flops + c.numDecoderLayers * perBlock + queries * 4 * head,
    bytes: width * (c.numLayers * encoder + c.numDecoderLayers * decoder + 2 * head),
  };
}

export interface TrainingSizes {
  rows: number;
  /** Evidence tokens of every row, which has a set of its own; input and answer tokens. */
  evidence: number;
  length: number;
  answer: number;
  rank: number;
}

/** A training step of a hypermodel through a frozen T5: forward and both gradients of the one, forward and dX of the other. */
export function trainingFlops(c: T5Config, { rows, evidence, length, answer, rank }: TrainingSizes): number {
  const [d, inner] = [c.dModel, innerWidth(c)];
  const perBlock = 2 * answer * layers(c).step + 4 * length * d * inner + 4 * answer * (answer + length) * inner;
  const frozen = encodeWork(c, { rows, length }, 2).flops + rows * (c.numDecoderLayers * perBlock + 2 * answer * c.vocabSize * d);
  return 3 * rows * generateWork(c, { length: evidence, rank }, 2).flops + 2 * frozen;
}

/** AdamW: weight, gradient, both moments read, three of them written, in fp32. */
export function adamwWork(parameters: number): Work {
  return { flops: 0, bytes: 28 * parameters };
}
