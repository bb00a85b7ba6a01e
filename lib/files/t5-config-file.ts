import type { T5Config } from '../t5/config.ts';
import { parseT5Config, serializeT5Config } from '../t5/config.ts';
import { NODE_FS, atomicWrite } from './atomic.ts';
import type { AtomicFs } from './atomic.ts';
import { readJson, sortKeys } from './json.ts';

/** Fields that transformers accepts as a float only; JavaScript would print 1.0 as 1. */
const WHOLE_FLOAT = /^( {2}"(?:initializer_factor|layer_norm_epsilon)": -?\d+)(,?)$/gm;

/** Reads a `config.json`. Throws FILE_NOT_FOUND, FILE_FORMAT, CONFIG_INVALID or CONFIG_UNSUPPORTED. */
export async function readT5Config(path: string): Promise<T5Config> {
  return parseT5Config(await readJson(path), path);
}

/** Writes a `config.json` that transformers loads: sorted keys, two spaces. Whole or not at all. */
export async function writeT5Config(path: string, config: T5Config, fs: AtomicFs = NODE_FS): Promise<void> {
  const json = JSON.stringify(sortKeys(serializeT5Config(config)), null, 2);
  await atomicWrite(path, json.replace(WHOLE_FLOAT, '$1.0$2'), fs);
}
