import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { PrefixFile, PrefixSite, PromptFile } from '../../lib/files/adapter-file.ts';
import { readFile } from 'node:fs/promises';
import { readAdapterFolder, writeAdapterFolder, writePeftFolder } from '../../lib/files/peft.ts';
import { openSafetensors } from '../../lib/files/safetensors.ts';
import type { T5Config } from '../../lib/t5/config.ts';
import type { JsonObject } from '../../lib/t5/fields.ts';
import { alteredPeft, baseOf, peftFixture } from './peft-support.ts';
import { failure, seeded, temporaryFolder } from './support.ts';

const configOf = async (dir: string): Promise<JsonObject> =>
  JSON.parse(await readFile(join(dir, 'adapter_config.json'), 'utf8')) as JsonObject;

/** A prefix of 2 rows with random values at every decoder self-attention. */
function decoderPrefix(base: T5Config): PrefixFile {
  const random = seeded(3);
  const rows = (): Float32Array => Float32Array.from({ length: 12 }, random);
  const sites = Array.from({ length: base.numDecoderLayers }, (_, block): PrefixSite => ({ stack: 'decoder', block, site: 'self', k: rows(), v: rows() }));
  return { kind: 'prefix', length: 2, biasPolicy: 'preceding', sites, config: {} };
}

describe('prompts', () => {
  test('the first half of the table is the prompt', async () => {
    const base = await baseOf('prompt');
    const prompt = (await readAdapterFolder(peftFixture('prompt'), base)) as PromptFile;
    const file = await openSafetensors(join(peftFixture('prompt'), 'adapter_model.safetensors'));
    expect(file.tensors.get('prompt_embeddings')!.shape).toEqual([6, 8]);
    expect(prompt).toMatchObject({ kind: 'prompt', length: 3, width: 8 });
    expect(prompt.embeddings).toEqual((await file.readFloat32('prompt_embeddings')).slice(0, 24));
  });

  test('P_TUNING is a prompt; what is written reads back and has no second half', async () => {
    const base = await baseOf('prompt');
    const dir = await alteredPeft('prompt', { config: { peft_type: 'P_TUNING' } });
    const prompt = (await readAdapterFolder(dir, base)) as PromptFile;
    await writePeftFolder(dir, prompt, { base });
    const back = (await readAdapterFolder(dir, base)) as PromptFile;
    expect(back.embeddings).toEqual(prompt.embeddings);
    expect(await configOf(dir)).toMatchObject({ peft_type: 'PROMPT_TUNING', num_virtual_tokens: 3, num_transformer_submodules: 1 });
  });

  test.each([
    ['num_virtual_tokens', 0, 'CONFIG_INVALID'],
    ['num_virtual_tokens', null, 'CONFIG_INVALID'],
    ['num_transformer_submodules', 3, 'CONFIG_INVALID'],
    ['token_dim', 16, 'ADAPTER_MISMATCH'],
    ['peft_type', 'MULTITASK_PROMPT_TUNING', 'CONFIG_UNSUPPORTED'],
  ] as const)('%s: %j is %s', async (field, value, code) => {
    const base = await baseOf('prompt');
    await failure(async () => readAdapterFolder(await alteredPeft('prompt', { config: { [field]: value } }), base), code, field);
  });

  test('a table of another length, a second tensor and none are named', async () => {
    const base = await baseOf('prompt');
    const from = (changes: Parameters<typeof alteredPeft>[1]) => async () => readAdapterFolder(await alteredPeft('prompt', changes), base);
    await failure(from({ config: { num_virtual_tokens: 4 } }), 'TENSOR_SHAPE', 'prompt_embeddings');
    await failure(from({ config: { num_transformer_submodules: 1 } }), 'TENSOR_SHAPE');
    const some = { dtype: 'F32', shape: [1], data: new Float32Array(1) } as const;
    await failure(from({ tensors: { prefix_task_cols: some } }), 'TENSOR_UNEXPECTED', 'prefix_task_cols');
    await failure(from({ tensors: { prompt_embeddings: undefined, other: some } }), 'TENSOR_MISSING', 'prompt_embeddings');
    await failure(from({ tensors: { prompt_embeddings: { data: new Float32Array(48).fill(NaN) } } }), 'TENSOR_NON_FINITE');
  });
});

describe('prefixes', () => {
  test.each([2, 3])('%i layers: every decoder layer gets the keys and values that PEFT hands it', async (layers) => {
    const name = `prefix-${layers}`;
    const prefix = (await readAdapterFolder(peftFixture(name), await baseOf(name))) as PrefixFile;
    const expected = await openSafetensors(join(peftFixture(name), 'expected.safetensors'));
    expect(prefix).toMatchObject({ kind: 'prefix', length: 2, biasPolicy: 'preceding' });
    expect(prefix.sites.map(({ stack, block, site }) => `${stack} ${block} ${site}`)).toEqual(
      Array.from({ length: layers }, (_, i) => `decoder ${i} self`),
    );
    for (const { block, k, v } of prefix.sites) {
      expect(k).toEqual(await expected.readFloat32(`${block}.key`));
      expect(v).toEqual(await expected.readFloat32(`${block}.value`));
    }
  });

  test('an odd number of layers writes back the same bytes', async () => {
    const base = await baseOf('prefix-3');
    const dir = await temporaryFolder();
    await writePeftFolder(dir, await readAdapterFolder(peftFixture('prefix-3'), base), { base });
    const file = 'adapter_model.safetensors';
    expect(await readFile(join(dir, file))).toEqual(await readFile(join(peftFixture('prefix-3'), file)));
  });

  test('an even number keeps its sharing and its num_layers', async () => {
    const base = await baseOf('prefix-2');
    const dir = await temporaryFolder();
    const prefix = (await readAdapterFolder(peftFixture('prefix-2'), base)) as PrefixFile;
    expect(prefix.sites[1].k).toEqual(prefix.sites[0].k);
    await writePeftFolder(dir, prefix, { base });
    expect(await configOf(dir)).toMatchObject({ num_layers: 2, token_dim: 6, num_attention_heads: 2, num_virtual_tokens: 2 });
    expect(((await readAdapterFolder(dir, base)) as PrefixFile).sites).toEqual(prefix.sites);
  });

  test.each([
    [2, 2, 3],
    [1, 2, 3],
    [1, 4, 5],
    [3, 1, 3],
    [4, 3, 3],
  ])('%i encoder and %i decoder layers with prefixes of their own are written as num_layers %i', async (enc, dec, written) => {
    const base = { ...(await baseOf('prefix-2')), numLayers: enc, numDecoderLayers: dec };
    const dir = await temporaryFolder();
    const prefix = decoderPrefix(base);
    expect(await writeAdapterFolder(dir, { ...prefix, sites: [...prefix.sites].reverse() }, { base })).toBe('peft');
    expect(await configOf(dir)).toMatchObject({ num_layers: written });
    expect(((await readAdapterFolder(dir, base)) as PrefixFile).sites).toEqual(prefix.sites);
  });

  test('what PEFT cannot hold is refused by the strict writer and written in the own format by the other', async () => {
    const base = await baseOf('prefix-2');
    const prefix = decoderPrefix(base);
    const [first, second] = prefix.sites;
    const variants: Partial<PrefixFile>[] = [
      { biasPolicy: 'zero' },
      { sites: [first, second, { ...first, site: 'cross' }] },
      { sites: [first, second, { ...first, stack: 'encoder' }] },
      { sites: [second] },
    ];
    for (const variant of variants) {
      const dir = await temporaryFolder();
      const adapter = { ...prefix, ...variant };
      await failure(() => writePeftFolder(dir, adapter, { base }), 'CONFIG_UNSUPPORTED', 'sites');
      expect(await writeAdapterFolder(dir, adapter, { base })).toBe('hypertune');
      expect(await readAdapterFolder(dir, base)).toMatchObject({ sites: adapter.sites, biasPolicy: adapter.biasPolicy, length: 2 });
    }
  });

  test.each([
    ['token_dim', 8, 'ADAPTER_MISMATCH'],
    ['token_dim', null, 'ADAPTER_MISMATCH'],
    ['num_attention_heads', 3, 'ADAPTER_MISMATCH'],
    ['num_transformer_submodules', 1, 'ADAPTER_MISMATCH'],
    ['num_layers', 1, 'ADAPTER_MISMATCH'],
    ['num_layers', 0, 'CONFIG_INVALID'],
    ['num_layers', 3, 'TENSOR_SHAPE'],
    ['num_virtual_tokens', 3, 'TENSOR_SHAPE'],
  ] as const)('%s: %j is %s', async (field, value, code) => {
    const base = await baseOf('prefix-2');
    const error = await failure(
      async () => readAdapterFolder(await alteredPeft('prefix-2', { config: { [field]: value } }), base), code);
    expect(error.field).toBe(code === 'TENSOR_SHAPE' ? 'prompt_embeddings' : field);
  });

  test('a prefix that does not fit the base is refused before anything is written', async () => {
    const base = await baseOf('prefix-2');
    const dir = join(await temporaryFolder(), 'new');
    const prefix = decoderPrefix(base);
    const [site] = prefix.sites;
    const write = (change: Partial<PrefixFile>) => () => writeAdapterFolder(dir, { ...prefix, ...change }, { base });
    await failure(write({ length: 0 }), 'ADAPTER_MISMATCH', 'length');
    await failure(write({ length: 3 }), 'TENSOR_SHAPE');
    await failure(write({ sites: [] }), 'ADAPTER_MISMATCH', 'sites');
    await failure(write({ sites: [site, site] }), 'ADAPTER_MISMATCH', 'decoder.block.0.self');
    await failure(write({ sites: [{ ...site, block: 2 }] }), 'ADAPTER_MISMATCH', 'decoder.block.2.self');
    await failure(write({ sites: [{ ...site, stack: 'encoder', site: 'cross' }] }), 'ADAPTER_MISMATCH');
    await failure(write({ sites: [{ ...site, v: new Float32Array(12).fill(-Infinity) }] }), 'TENSOR_NON_FINITE');
    await failure(() => readAdapterFolder(dir, base), 'FILE_NOT_FOUND');
  });
});
