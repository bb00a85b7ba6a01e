import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { CombinedFile, LoraFile, PrefixFile, PromptFile } from '../../lib/files/adapter-file.ts';
import { readAdapterFolder, writeAdapterFolder, writeHypertuneFolder, writePeftFolder } from '../../lib/files/peft.ts';
import type { JsonObject } from '../../lib/t5/fields.ts';
import { baseOf, changeJson, changeTensors, peftFixture } from './peft-support.ts';
import { failure, seeded, temporaryFolder } from './support.ts';

const base = await baseOf('lora');
const random = seeded(11);
const values = (count: number): Float32Array => Float32Array.from({ length: count }, random);
const lora = (await readAdapterFolder(peftFixture('lora'), base)) as LoraFile;
const prompt: PromptFile = { kind: 'prompt', length: 3, width: 8, embeddings: values(24), config: {} };
const prefix: PrefixFile = {
  kind: 'prefix',
  length: 2,
  biasPolicy: 'zero',
  sites: [
    { stack: 'encoder', block: 1, site: 'self', k: values(12), v: values(12) },
    { stack: 'decoder', block: 0, site: 'cross', k: values(12), v: values(12) },
  ],
  config: {},
};
const combined: CombinedFile = { kind: 'combined', parts: [lora, prefix, prompt], config: {} };

const withoutConfig = ({ config: _, ...rest }: { config: JsonObject }): object => rest;
const CONFIG = 'hypertune_config.json';
const TENSORS = 'hypertune_adapter.safetensors';

async function saved(adapter = combined): Promise<string> {
  const dir = await temporaryFolder();
  await writeHypertuneFolder(dir, adapter, { base, baseModelName: 'tiny' });
  return dir;
}

describe('the own format', () => {
  test.each([[lora], [prompt], [prefix]])('reads back one part exactly (%#)', async (part) => {
    const dir = await temporaryFolder();
    await writeHypertuneFolder(dir, part, { base });
    const back = await readAdapterFolder(dir, base);
    expect(withoutConfig(back)).toEqual(withoutConfig(part));
    expect(back.config).toMatchObject({ format: 'hypertune-adapter', version: 1 });
  });

  test('reads back a combination, which PEFT cannot hold', async () => {
    const dir = await temporaryFolder();
    await failure(() => writePeftFolder(dir, combined, { base }), 'CONFIG_UNSUPPORTED', 'kind');
    expect(await writeAdapterFolder(dir, combined, { base, baseModelName: 'tiny' })).toBe('hypertune');
    const back = (await readAdapterFolder(dir, base)) as CombinedFile;
    expect(back.kind).toBe('combined');
    expect(back.config.base_model_name_or_path).toBe('tiny');
    expect(back.parts.map(withoutConfig)).toEqual(combined.parts.map(withoutConfig));
  });

  test('two parts of one kind, or one part alone, are no combination', async () => {
    const dir = await temporaryFolder();
    for (const parts of [[lora, lora], [lora], []]) {
      await failure(() => writeHypertuneFolder(dir, { ...combined, parts }, { base }), 'ADAPTER_MISMATCH', 'parts');
    }
  });

  test.each([
    [{ format: 'other' }, 'CONFIG_INVALID', 'format'],
    [{ version: 2 }, 'CONFIG_UNSUPPORTED', 'version'],
    [{ version: '1' }, 'CONFIG_INVALID', 'version'],
    [{ parts: [] }, 'CONFIG_INVALID', 'parts'],
    [{ parts: 5 }, 'CONFIG_INVALID', 'parts'],
    [{ parts: [5] }, 'CONFIG_INVALID', undefined],
    [{ parts: [{ kind: 'ia3' }] }, 'CONFIG_UNSUPPORTED', 'kind'],
    [{ parts: [{ kind: 'prompt', length: 0 }] }, 'CONFIG_INVALID', 'length'],
    [{ parts: [{ kind: 'prompt', length: 4 }] }, 'TENSOR_SHAPE', 'prompt.embeddings'],
    [{ parts: [{ kind: 'prompt', length: 3 }] }, 'TENSOR_UNEXPECTED', undefined],
    [{ parts: [{ kind: 'prompt', length: 3 }, { kind: 'prompt', length: 3 }] }, 'CONFIG_INVALID', 'kind'],
    [{ parts: [{ kind: 'prefix', length: 2, bias_policy: 'none', sites: [] }] }, 'CONFIG_INVALID', 'bias_policy'],
    [{ parts: [{ kind: 'prefix', length: 2, bias_policy: 'zero', sites: 'x' }] }, 'CONFIG_INVALID', 'sites'],
    [{ parts: [{ kind: 'prefix', length: 2, bias_policy: 'zero', sites: ['decoder.0'] }] }, 'CONFIG_INVALID', 'sites'],
    [{ parts: [{ kind: 'prefix', length: 2, bias_policy: 'zero', sites: ['decoder.block.1.self'] }] }, 'TENSOR_MISSING', undefined],
    [{ parts: [{ kind: 'lora', modules: 5 }] }, 'CONFIG_INVALID', undefined],
    [{ parts: [{ kind: 'lora', modules: { 'encoder.block.0.x': { alpha: 1, scale: 1 } } }] }, 'CONFIG_INVALID', 'encoder.block.0.x'],
    [{ parts: [{ kind: 'lora', modules: { 'encoder.block.0.layer.0.SelfAttention.q': { alpha: 1 } } }] }, 'CONFIG_INVALID', 'scale'],
  ] as const)('%j is refused', async (change, code, field) => {
    const dir = await saved();
    await changeJson(join(dir, CONFIG), change as JsonObject);
    await failure(() => readAdapterFolder(dir, base), code, field);
  });

  test('tensors that are missing, misshapen or not finite are named', async () => {
    const key = 'prefix.encoder.block.1.self.key';
    const a = 'lora.encoder.block.0.layer.0.SelfAttention.q.lora_A';
    for (const [name, change, code] of [
      [key, undefined, 'TENSOR_MISSING'],
      [key, { shape: [12] }, 'TENSOR_SHAPE'],
      [a, { shape: [0, 8], data: new Float32Array(0) }, 'TENSOR_SHAPE'],
      [a, { dtype: 'I32' }, 'TENSOR_DTYPE'],
    ] as const) {
      const dir = await saved();
      await changeTensors(join(dir, TENSORS), { [name]: change });
      await failure(() => readAdapterFolder(dir, base), code, name);
    }
    const dir = await saved();
    await changeTensors(join(dir, TENSORS), { [key]: { data: new Float32Array(12).fill(NaN) } });
    await failure(() => readAdapterFolder(dir, base), 'TENSOR_NON_FINITE', 'encoder.block.1.self.key');
  });

  test('an adapter of another base is refused', async () => {
    const dir = await saved();
    await failure(() => readAdapterFolder(dir, { ...base, dModel: 16 }), 'TENSOR_SHAPE');
    await failure(() => readAdapterFolder(dir, { ...base, numLayers: 1 }), 'ADAPTER_MISMATCH', 'encoder.block.1.self');
  });
});
