import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HypertuneError } from '../engine/errors.ts';
import { fileError } from '../files/io.ts';
import { decodeUtf8, parseJson } from '../files/json.ts';
import { asObject, asString } from './json-fields.ts';
import { type SpecialPieces, T5_SPECIAL_PIECES } from './parts.ts';

/** In the order of preference. */
const TOKENIZER_FILES = ['tokenizer.json', 'spiece.model', 'tokenizer.model'];

/** @throws HypertuneError FILE_NOT_FOUND, FILE_IO */
export async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw fileError(cause, path, 'read');
  }
}

/**
 * The tokenizer file of a model folder, with its contents.
 * @throws HypertuneError FILE_NOT_FOUND, FILE_IO
 */
export async function findTokenizerFile(folder: string): Promise<{ path: string; bytes: Buffer }> {
  for (const name of TOKENIZER_FILES) {
    const path = join(folder, name);
    const bytes = await readIfThere(path);
    if (bytes) return { path, bytes };
  }
  throw new HypertuneError('FILE_NOT_FOUND', `${folder} holds no tokenizer.`, {
    field: folder,
    remedy: `Put one of ${TOKENIZER_FILES.join(', ')} there.`,
  });
}

/** Names of the special pieces from tokenizer_config.json, where there is one; else those of T5. */
export async function readSpecialPieces(folder: string): Promise<SpecialPieces> {
  const path = join(folder, 'tokenizer_config.json');
  const bytes = await readIfThere(path);
  if (!bytes) return T5_SPECIAL_PIECES;
  const config = asObject(parseJson(decodeUtf8(bytes, path), path), path);
  const name = (key: string, fallback: string): string => {
    const value = config[key];
    if (value === undefined || value === null) return fallback;
    return typeof value === 'string' ? value : asString(asObject(value, key).content, `${key}.content`);
  };
  return { pad: name('pad_token', T5_SPECIAL_PIECES.pad), eos: name('eos_token', T5_SPECIAL_PIECES.eos) };
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readBytes(path);
  } catch (error) {
    if (error instanceof HypertuneError && error.code === 'FILE_NOT_FOUND') return undefined;
    throw error;
  }
}
