import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Tokenizer } from '../../lib/tokenizer/tokenizer.ts';

export function fixturePath(name: string): string {
  return fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
}

export function readFixture(name: string): Buffer {
  return readFileSync(fixturePath(name));
}

export function readJsonFixture<T>(name: string): T {
  return JSON.parse(readFixture(name).toString('utf8')) as T;
}

/** The tokenizer.json with 4000 pieces, byte fallback and 100 sentinels. */
export function shippedJson(): Record<string, unknown> {
  return readJsonFixture('t5style-4k/tokenizer.json');
}

export function shipped(): Tokenizer {
  return Tokenizer.fromJSON(shippedJson());
}

/** A SentencePiece model file; `sentinels` default to none, as in SentencePiece itself. */
export function sentencePiece(name: string, sentinels = 0): Tokenizer {
  return Tokenizer.fromSentencePiece(readFixture(`${name}.model`), { sentinels });
}

/** Text ids, text decoded without and (for `tokenizers`) with special tokens. */
export type GoldenRow = [ids: number[], decoded: string, decodedWithSpecial: string];

export interface Goldens {
  versions: Record<string, string>;
  texts: string[];
  /** How many of `texts`, from the first on, are plain English with emoji. */
  plain: number;
  tokenizers: { name: string; change: Record<string, unknown>; rows: GoldenRow[] }[];
  transformers: Record<string, { rows: GoldenRow[]; offsets: [number, number][][] }>;
  sentencepiece: Record<string, [ids: number[], decoded: string][]>;
  /** Runs of byte pieces, as SentencePiece decodes them with the 4k model. */
  bytes: [ids: number[], decoded: string][];
}

export const goldens = readJsonFixture<Goldens>('goldens.json');

export interface Vector {
  text: string;
  ids: number[];
}

/** A deterministic source of numbers in [0, 1): mulberry32. */
export function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
