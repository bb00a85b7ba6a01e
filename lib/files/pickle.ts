import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { HypertuneError } from '../engine/errors.ts';

/** Pickled weights by file name, with the Python that rewrites them as safetensors in place; argv[1] is the folder. */
const CONVERSIONS: Record<string, string> = {
  'pytorch_model.bin': [
    'import sys',
    'from transformers import AutoModelForSeq2SeqLM as M',
    'M.from_pretrained(sys.argv[1]).save_pretrained(sys.argv[1])',
  ].join('; '),
  'adapter_model.bin': [
    'import sys, torch',
    'from safetensors.torch import save_file',
    'd = sys.argv[1]',
    "w = torch.load(d + '/adapter_model.bin', map_location='cpu', weights_only=True)",
    "save_file({k: v.contiguous() for k, v in w.items()}, d + '/adapter_model.safetensors', metadata={'format': 'pt'})",
  ].join('; '),
};

/** Pickle files run code when read, so they are never read: FILE_UNSUPPORTED where `dir` has `name`, or its sharded index. */
export async function refusePickle(dir: string, name: 'pytorch_model.bin' | 'adapter_model.bin'): Promise<void> {
  for (const file of [name, `${name}.index.json`]) {
    if (!(await exists(join(dir, file)))) continue;
    const quotedDir = `'${dir.replaceAll("'", "'\\''")}'`;
    throw new HypertuneError('FILE_UNSUPPORTED', `${join(dir, file)} is a pickle file, which is not read.`, {
      field: file,
      remedy: `Convert it once: python -c "${CONVERSIONS[name]}" ${quotedDir}`,
    });
  }
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
