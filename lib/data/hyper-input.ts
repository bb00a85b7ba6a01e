/**
 * The token layout of HyperTuning (Phang et al., arXiv 2211.12485): evidence for the hypermodel, queries and answers for
 * the frozen T5. Examples enter whole or not at all.
 */
import { HypertuneError } from '../engine/errors.ts';
import { fieldMarkers, tokens } from './encoder.ts';
import type { TokenEncoder } from './encoder.ts';
import type { Example } from './task.ts';

export interface HyperInput {
  /** `[definition] (<x> input <y> answer)*`, int32 [at most maxTokens]; no end-of-sequence token. */
  readonly ids: Int32Array;
  /** Examples that are in `ids`, a truncated one included; always the first ones. */
  readonly used: number;
  /** Examples that did not fit. */
  readonly dropped: number;
  /** Whether the first example (or the definition) was itself too long and lost its end. */
  readonly truncated: boolean;
}

export interface HyperInputOptions {
  maxTokens: number;
  /** Put in front, without a marker unless `definitionMarker`. */
  definition?: string;
  definitionMarker?: boolean;
}

export function requirePositiveInteger(value: number, field: string): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new HypertuneError('ARGUMENT_RANGE', `expected a positive integer, got ${value}`, { field });
  }
}

/** `<x> input <y> answer` as ids. */
export function exampleIds(encoder: TokenEncoder, example: Example): Int32Array {
  const { x, y } = fieldMarkers(encoder);
  return Int32Array.from([x, ...tokens(encoder, example.input), y, ...tokens(encoder, example.output)]);
}

/**
 * The hypermodel's input. Examples are added in order up to the first that would pass `maxTokens`; that one and all
 * after it are dropped, so no example is cut in half. Only a first example too long for the window is kept, cut on the
 * right: some evidence is better than none.
 * Throws EXAMPLES_EMPTY without examples and definition, ARGUMENT_RANGE for a window that is not a positive integer.
 */
export function hyperInput(encoder: TokenEncoder, examples: readonly Example[], options: HyperInputOptions): HyperInput {
  const { maxTokens, definition, definitionMarker = false } = options;
  requirePositiveInteger(maxTokens, 'maxTokens');
  if (examples.length === 0 && !definition) {
    throw new HypertuneError('EXAMPLES_EMPTY', 'no examples given', { field: 'examples', remedy: 'Pass at least one { input, output }.' });
  }
  const marker = definitionMarker ? [fieldMarkers(encoder).x] : [];
  const ids: number[] = definition ? [...marker, ...tokens(encoder, definition)] : [];
  let used = 0;
  for (const example of examples) {
    const next = exampleIds(encoder, example);
    const fits = ids.length + next.length <= maxTokens;
    if (!fits && (used > 0 || ids.length >= maxTokens)) break;
    for (const id of next) ids.push(id);
    used++;
  }
  const truncated = ids.length > maxTokens;
  return { ids: Int32Array.from(ids.slice(0, maxTokens)), used, dropped: examples.length - used, truncated };
}

export interface Truncated {
  /** int32, never empty */
  readonly ids: Int32Array;
  readonly truncated: boolean;
}

/** The last `maxTokens` ids of the query, where the question usually stands. An empty query is a lone end-of-sequence token. */
export function queryInput(encoder: TokenEncoder, text: string, options: { maxTokens: number; eos?: boolean }): Truncated {
  requirePositiveInteger(options.maxTokens, 'maxTokens');
  const body = tokens(encoder, text);
  const ids = options.eos || body.length === 0 ? Int32Array.from([...body, encoder.eosId]) : body;
  return keepLast(ids, options.maxTokens);
}

/** Cuts on the left. */
export function keepLast(ids: Int32Array, maxTokens: number): Truncated {
  return { ids: ids.slice(Math.max(0, ids.length - maxTokens)), truncated: ids.length > maxTokens };
}

/** Ids of the answer and the end-of-sequence token; an answer that is too long is cut on the right and so has no end. */
export function answerLabels(encoder: TokenEncoder, text: string, options: { maxTokens: number }): Truncated {
  requirePositiveInteger(options.maxTokens, 'maxTokens');
  return keepFirst(Int32Array.from([...tokens(encoder, text), encoder.eosId]), options.maxTokens);
}

/** Cuts on the right. */
export function keepFirst(ids: Int32Array, maxTokens: number): Truncated {
  return { ids: ids.slice(0, maxTokens), truncated: ids.length > maxTokens };
}
