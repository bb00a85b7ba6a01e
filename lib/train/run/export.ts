/** The trained model as a folder that `HyperT5.load` reads: T5, tokenizer and hypermodels. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { atomicCopy } from '../../files/atomic.ts';
import { fileError, makeFolder } from '../../files/io.ts';
import { saveT5 } from '../../files/load-t5.ts';
import { saveHypermodel } from '../../hyper/files.ts';
import type { RunConfig } from './config.ts';
import type { Models } from './models.ts';

const TOKENIZER_FILES = ['tokenizer.json', 'tokenizer_config.json', 'spiece.model', 'tokenizer.model'];
const GENERATION_FILE = 'generation_config.json';
const MODEL_FILES = /^(config\.json|model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json)$/;

/** `models` hold the buffers to export (`withBuffers`). Throws FILE_IO. Written again, it replaces what it wrote before and leaves other files of the folder alone. */
export async function exportModels({ train, export: { folder, dtype }, t5: start }: RunConfig, { t5, hyper, tokenizerFolder }: Models): Promise<void> {
  const stored = dtype === 'bf16' ? 'BF16' : 'F32';
  await makeFolder(folder);
  const untouched = 'folder' in start && !train.t5 && dtype === null;
  if (!untouched) await saveT5(folder, t5.config, t5.parameters, stored);
  const copied = (name: string) => TOKENIZER_FILES.includes(name) || name === GENERATION_FILE || (untouched && MODEL_FILES.test(name));
  await copyFiles(tokenizerFolder, folder, copied);
  if (train.hyper) for (const [kind, hypermodel] of hyper) await saveHypermodel(path.join(folder, `hyper-${kind}`), hypermodel, stored);
}

async function copyFiles(from: string, to: string, wanted: (name: string) => boolean): Promise<void> {
  if (path.resolve(from) === path.resolve(to)) return;
  try {
    for (const name of await readdir(from)) if (wanted(name)) await atomicCopy(path.join(from, name), path.join(to, name));
  } catch (cause) {
    throw fileError(cause, to, 'write');
  }
}
