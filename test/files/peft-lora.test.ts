import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { LoraFile } from '../../lib/files/adapter-file.ts';
import { readAdapterFolder, writePeftFolder } from '../../lib/files/peft.ts';
import { openSafetensors } from '../../lib/files/safetensors.ts';
import { alteredPeft, baseOf, peftFixture } from './peft-support.ts';
import { failure, temporaryFolder } from './support.ts';

const base = await baseOf('lora');
const read = async (dir: string): Promise<LoraFile> => (await readAdapterFolder(dir, base)) as LoraFile;
const Q = 'base_model.model.encoder.block.0.layer.0.SelfAttention.q';

describe('reading', () => {
  test('list targets, exclusion, one block, rank and alpha patterns', async () => {
    const { modules } = await read(peftFixture('lora'));
    const table = modules.map((m) => [m.path, m.rank, m.alpha, m.scale]);
    const e = 'encoder.block.0.layer';
    const d = 'decoder.block.0.layer';
    expect(table).toEqual([
      [`${e}.0.SelfAttention.q`, 3, 3, 1],
      [`${e}.0.SelfAttention.v`, 2, 3, 1.5],
      [`${e}.0.SelfAttention.o`, 2, 3, 1.5],
      [`${e}.1.DenseReluDense.wi_0`, 2, 3, 1.5],
      [`${e}.1.DenseReluDense.wo`, 2, 5, 2.5],
      [`${d}.0.SelfAttention.q`, 2, 3, 1.5],
      [`${d}.0.SelfAttention.v`, 2, 3, 1.5],
      [`${d}.0.SelfAttention.o`, 2, 3, 1.5],
      [`${d}.1.EncDecAttention.q`, 1, 3, 3],
      [`${d}.1.EncDecAttention.o`, 2, 3, 1.5],
      [`${d}.2.DenseReluDense.wi_0`, 2, 3, 1.5],
      [`${d}.2.DenseReluDense.wo`, 2, 5, 2.5],
    ]);
    expect(modules[8]).toMatchObject({ stack: 'decoder', block: 0, site: 'cross', name: 'q', inFeatures: 8, outFeatures: 6 });
    expect(modules[4]).toMatchObject({ stack: 'encoder', site: 'ff', name: 'wo', inFeatures: 12, outFeatures: 8 });
    const file = await openSafetensors(join(peftFixture('lora'), 'adapter_model.safetensors'));
    expect(modules[0].a).toEqual(await file.readFloat32(`${Q}.lora_A.weight`));
    expect(modules[0].b).toEqual(await file.readFloat32(`${Q}.lora_B.weight`));
  });

  test('a pattern as target and rank-stabilised scaling', async () => {
    const { modules } = await read(peftFixture('lora-rslora'));
    expect(modules.map((m) => m.name).join()).toBe('k,wi_0,wi_1,wo,k,wi_0,wi_1,wo');
    for (const m of modules) {
      expect(m.stack).toBe('decoder');
      expect(m.scale).toBe(4 / Math.sqrt(3));
    }
  });

  test('16-bit factors, the nested key form of classifiers, and harmless fields', async () => {
    const file = await openSafetensors(join(peftFixture('lora-rslora'), 'adapter_model.safetensors'));
    const tensors: Record<string, object | undefined> = {};
    for (const { name, shape } of file.tensors.values()) {
      tensors[name] = undefined;
      const nested = name.replace('base_model.model.', 'base_model.model.transformer.');
      const count = shape[0] * shape[1];
      tensors[nested] = { dtype: 'BF16', shape, data: new Uint16Array(count).fill(0x3fc0) };
    }
    const config = { init_lora_weights: 'gaussian', loftq_config: {}, bias: 'all', task_type: 'SEQ_CLS', some_future_field: 3 };
    const { modules } = await read(await alteredPeft('lora-rslora', { config, tensors }));
    expect(modules).toHaveLength(8);
    expect(modules[7].a.every((value) => value === 1.5)).toBe(true);
  });

  test('targets left out are q and v, as PEFT fills in; the encoder alone serves other task types', async () => {
    const tensors: Record<string, object | undefined> = {};
    const file = await openSafetensors(join(peftFixture('lora'), 'adapter_model.safetensors'));
    for (const name of file.tensors.keys()) {
      if (!/encoder.*\.[qv]\.lora/.test(name)) tensors[name] = undefined;
    }
    const config = { target_modules: null, exclude_modules: null, task_type: 'FEATURE_EXTRACTION' };
    const { modules } = await read(await alteredPeft('lora', { config, tensors }));
    expect(modules.map((m) => m.path)).toEqual(['q', 'v'].map((name) => `encoder.block.0.layer.0.SelfAttention.${name}`));
    await failure(async () => read(await alteredPeft('lora', { config: { ...config, task_type: 'SEQ_2_SEQ_LM' }, tensors })), 'TENSOR_MISSING');
  });
});

describe('writing', () => {
  test.each(['lora', 'lora-rslora'])('%s: the tensors are byte-identical to what PEFT wrote', async (name) => {
    const dir = join(await temporaryFolder(), 'new');
    const adapter = await read(peftFixture(name));
    await writePeftFolder(dir, adapter, { base, baseModelName: 'tiny' });
    const file = 'adapter_model.safetensors';
    expect(await readFile(join(dir, file))).toEqual(await readFile(join(peftFixture(name), file)));
    const config = JSON.parse(await readFile(join(dir, 'adapter_config.json'), 'utf8')) as object;
    expect(config).toMatchObject({ peft_type: 'LORA', base_model_name_or_path: 'tiny', use_rslora: name === 'lora-rslora' });
    expect(Object.keys(config)).toEqual(Object.keys(config).sort());
    expect((await read(dir)).modules).toEqual(adapter.modules);
  });

  test('ragged ranks and alphas become patterns over complete paths; a regular set gets short names', async () => {
    const dir = await temporaryFolder();
    const { modules } = await read(peftFixture('lora'));
    await writePeftFolder(dir, { kind: 'lora', modules, config: {} }, { base });
    const ragged = JSON.parse(await readFile(join(dir, 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
    expect(ragged).toMatchObject({ r: 2, lora_alpha: 3, base_model_name_or_path: null });
    expect(ragged.rank_pattern).toEqual({
      'encoder\\.block\\.0\\.layer\\.0\\.SelfAttention\\.q': 3,
      'decoder\\.block\\.0\\.layer\\.1\\.EncDecAttention\\.q': 1,
    });
    expect(ragged.target_modules).toHaveLength(12);

    const oneBlock = { ...base, numLayers: 1, numDecoderLayers: 1 };
    const regular = modules.filter((m) => m.name === 'o' || m.name === 'wo');
    await writePeftFolder(dir, { kind: 'lora', modules: regular, config: {} }, { base: oneBlock });
    const short = JSON.parse(await readFile(join(dir, 'adapter_config.json'), 'utf8')) as Record<string, unknown>;
    expect(short.target_modules).toEqual(['o', 'wo']);
  });

  test('a scale that follows neither rule is kept through alpha', async () => {
    const dir = await temporaryFolder();
    const { modules } = await read(peftFixture('lora-rslora'));
    modules[0].scale = 0.5;
    await writePeftFolder(dir, { kind: 'lora', modules, config: {} }, { base });
    const back = await read(dir);
    // Stored as alpha = scale * rank, so the last bit of the scale may differ.
    back.modules.forEach((m, i) => expect(m.scale).toBeCloseTo(modules[i].scale, 14));
    expect(back.modules[0].alpha).toBe(1.5);
  });

  test('what does not fit the base, or is not finite, is refused', async () => {
    const dir = join(await temporaryFolder(), 'x');
    const write = async (change: object): Promise<void> => {
      const { modules } = await read(peftFixture('lora'));
      Object.assign(modules[0], change);
      await writePeftFolder(dir, { kind: 'lora', modules, config: {} }, { base });
    };
    await failure(() => write({ a: new Float32Array(3) }), 'TENSOR_SHAPE');
    await failure(() => write({ b: new Float32Array(18).fill(NaN) }), 'TENSOR_NON_FINITE');
    await failure(() => write({ scale: Infinity }), 'TENSOR_NON_FINITE');
    await failure(() => write({ path: 'encoder.block.9.layer.0.SelfAttention.q' }), 'ADAPTER_MISMATCH');
    await failure(() => write({ inFeatures: 9 }), 'ADAPTER_MISMATCH');
    await failure(() => write({ rank: 0 }), 'ADAPTER_MISMATCH');
    await failure(() => writePeftFolder(dir, { kind: 'lora', modules: [], config: {} }, { base }), 'ADAPTER_MISMATCH');
  });
});

describe('a folder that is not what it says', () => {
  test.each([
    ['peft_type', 'IA3', 'CONFIG_UNSUPPORTED'],
    ['peft_type', null, 'CONFIG_INVALID'],
    ['use_dora', true, 'CONFIG_UNSUPPORTED'],
    ['lora_bias', true, 'CONFIG_UNSUPPORTED'],
    ['fan_in_fan_out', true, 'CONFIG_UNSUPPORTED'],
    ['use_qalora', true, 'CONFIG_UNSUPPORTED'],
    ['modules_to_save', ['lm_head'], 'CONFIG_UNSUPPORTED'],
    ['trainable_token_indices', [1], 'CONFIG_UNSUPPORTED'],
    ['layer_replication', [[0, 1]], 'CONFIG_UNSUPPORTED'],
    ['target_parameters', ['x'], 'CONFIG_UNSUPPORTED'],
    ['alora_invocation_tokens', [1], 'CONFIG_UNSUPPORTED'],
    ['loftq_config', { loftq_bits: 4 }, 'CONFIG_UNSUPPORTED'],
    ['corda_config', { a: 1 }, 'CONFIG_UNSUPPORTED'],
    ['init_lora_weights', 'pissa', 'CONFIG_UNSUPPORTED'],
    ['init_lora_weights', 'pissa_niter_4', 'CONFIG_UNSUPPORTED'],
    ['init_lora_weights', 'olora', 'CONFIG_UNSUPPORTED'],
    ['init_lora_weights', 'loftq', 'CONFIG_UNSUPPORTED'],
    ['target_modules', ['q', 'lm_head'], 'CONFIG_UNSUPPORTED'],
    ['target_modules', ['q', 'shared'], 'CONFIG_UNSUPPORTED'],
    ['target_modules', '(?=x)', 'CONFIG_UNSUPPORTED'],
    ['target_modules', [1], 'CONFIG_INVALID'],
    ['exclude_modules', 5, 'CONFIG_INVALID'],
    ['r', 0, 'CONFIG_INVALID'],
    ['r', '2', 'CONFIG_INVALID'],
    ['lora_alpha', 'x', 'CONFIG_INVALID'],
    ['use_rslora', 'yes', 'CONFIG_INVALID'],
    ['rank_pattern', { q: 0 }, 'CONFIG_INVALID'],
    ['rank_pattern', [1], 'CONFIG_INVALID'],
    ['alpha_pattern', { q: 'x' }, 'CONFIG_INVALID'],
    ['layers_to_transform', [-1], 'CONFIG_INVALID'],
    ['base_model_name_or_path', 5, 'CONFIG_INVALID'],
  ] as const)('%s: %j is %s', async (field, value, code) => {
    await failure(async () => read(await alteredPeft('lora', { config: { [field]: value } })), code, field);
  });

  test('configuration and tensors must agree on the modules, in both directions', async () => {
    const config = (fields: object) => async () => read(await alteredPeft('lora', { config: { ...fields } }));
    await failure(config({ target_modules: ['q', 'k', 'v', 'o', 'wi_0', 'wo'] }), 'TENSOR_MISSING');
    await failure(config({ target_modules: ['v', 'o', 'wi_0', 'wo'] }), 'TENSOR_UNEXPECTED', `${Q}.lora_A.weight`);
    await failure(config({ exclude_modules: null }), 'TENSOR_MISSING');
    await failure(config({ layers_to_transform: null }), 'TENSOR_MISSING');
    await failure(config({ layers_to_transform: [1] }), 'TENSOR_UNEXPECTED');
    // Now the number after `layer` counts, so that feed-forward layers are no targets.
    await failure(config({ layers_pattern: 'layer' }), 'TENSOR_UNEXPECTED');
  });

  test('ranks must agree', async () => {
    await failure(async () => read(await alteredPeft('lora', { config: { r: 3 } })), 'TENSOR_SHAPE');
    await failure(async () => read(await alteredPeft('lora', { config: { rank_pattern: {} } })), 'TENSOR_SHAPE', `${Q}.lora_A.weight`);
  });

  test('tensors that are missing, unknown, misshapen, integer or not finite are named', async () => {
    const tensors = (changes: object) => async () => read(await alteredPeft('lora', { tensors: { ...changes } }));
    const A = `${Q}.lora_A.weight`;
    const B = `${Q}.lora_B.weight`;
    const some = { dtype: 'F32', shape: [1], data: new Float32Array(1) } as const;
    await failure(tensors({ [B]: undefined }), 'TENSOR_MISSING', B);
    await failure(tensors({ [A]: undefined, [B]: undefined }), 'TENSOR_MISSING', A);
    await failure(tensors({ [`${Q}.lora_B.bias`]: some }), 'TENSOR_UNEXPECTED', `${Q}.lora_B.bias`);
    await failure(tensors({ 'base_model.model.lm_head.weight': some }), 'TENSOR_UNEXPECTED', 'base_model.model.lm_head.weight');
    await failure(tensors({ [`${Q}.lora_A.default.weight`]: some }), 'TENSOR_UNEXPECTED');
    const ghost = 'base_model.model.encoder.block.7.layer.0.SelfAttention.q.lora_A.weight';
    await failure(tensors({ [ghost]: some }), 'TENSOR_UNEXPECTED', ghost);
    const nested = A.replace('encoder', 'transformer.encoder');
    await failure(tensors({ [nested]: some }), 'TENSOR_UNEXPECTED');
    await failure(tensors({ [A]: { shape: [8, 3] } }), 'TENSOR_SHAPE', A);
    await failure(tensors({ [A]: { shape: [24] } }), 'TENSOR_SHAPE', A);
    await failure(tensors({ [A]: { dtype: 'I32' } }), 'TENSOR_DTYPE', A);
    await failure(tensors({ [A]: { data: new Float32Array(24).fill(Infinity) } }), 'TENSOR_NON_FINITE');
  });

  test('an adapter for a model of other sizes is TENSOR_SHAPE; for another depth or feed-forward it names a tensor', async () => {
    const from = (change: object) => () => readAdapterFolder(peftFixture('lora-rslora'), { ...base, ...change });
    await failure(from({ dModel: 16 }), 'TENSOR_SHAPE');
    await failure(from({ numDecoderLayers: 1 }), 'TENSOR_UNEXPECTED');
    await failure(from({ numDecoderLayers: 3 }), 'TENSOR_MISSING');
    await failure(from({ feedForward: 'relu' }), 'TENSOR_UNEXPECTED');
  });
});
