import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../lib/files/checkpoint.ts';
import type { Checkpoint } from '../../lib/files/checkpoint.ts';
import { readJson } from '../../lib/files/json.ts';
import { writeSafetensors } from '../../lib/files/safetensors-write.ts';
import type { TensorData } from '../../lib/files/safetensors-write.ts';
import { checkCheckpoint } from '../../lib/files/t5-checkpoint.ts';
import { parseT5Config } from '../../lib/t5/config.ts';
import { expectedTensors } from '../../lib/t5/tensor-names.ts';
import { FIXTURES, failure, temporaryFolder } from './support.ts';

const byteTensor = (name: string, value: number): TensorData => ({ name, dtype: 'U8', shape: [1], data: new Uint8Array([value]) });

async function shardedFolder(weightMap: unknown, shards: Record<string, TensorData[]>): Promise<string> {
  const dir = await temporaryFolder();
  await writeFile(join(dir, 'model.safetensors.index.json'), JSON.stringify({ metadata: {}, weight_map: weightMap }));
  for (const [name, tensors] of Object.entries(shards)) await writeSafetensors(join(dir, name), tensors);
  return dir;
}

describe('openCheckpoint', () => {
  test('joins shards and finds every tensor in its file', async () => {
    const map = { a: 's-1.safetensors', b: 's-2.safetensors', c: 's-1.safetensors' };
    const dir = await shardedFolder(map, {
      's-1.safetensors': [byteTensor('a', 1), byteTensor('c', 3)],
      's-2.safetensors': [byteTensor('b', 2)],
    });
    const checkpoint = await openCheckpoint(dir);
    expect(checkpoint.tensors.get('b')!.path).toBe(join(dir, 's-2.safetensors'));
    for (const [name, value] of [['a', 1], ['b', 2], ['c', 3]] as const) {
      expect(await checkpoint.read(name)).toEqual(new Uint8Array([value]));
    }
    await failure(() => checkpoint.read('d'), 'TENSOR_MISSING', 'd');
  });

  test('index and shards that disagree are typed errors', async () => {
    const one = [byteTensor('a', 1)];
    const two = [byteTensor('b', 2)];
    const missingShard = await shardedFolder({ a: 'x.safetensors', b: 'y.safetensors' }, { 'x.safetensors': one });
    await failure(() => openCheckpoint(missingShard), 'FILE_NOT_FOUND', join(missingShard, 'y.safetensors'));
    const missingTensor = await shardedFolder({ a: 'x.safetensors', b: 'x.safetensors' }, { 'x.safetensors': one });
    await failure(() => openCheckpoint(missingTensor), 'TENSOR_MISSING', 'b');
    const unlisted = await shardedFolder({ a: 'x.safetensors' }, { 'x.safetensors': [...one, ...two] });
    await failure(() => openCheckpoint(unlisted), 'TENSOR_UNEXPECTED', 'b');
    const twice = await shardedFolder(
      { a: 'x.safetensors', b: 'y.safetensors' },
      { 'x.safetensors': one, 'y.safetensors': [...one, ...two] },
    );
    await failure(() => openCheckpoint(twice), 'TENSOR_UNEXPECTED', 'a');
  });

  test.each(['../x.safetensors', '/etc/x.safetensors', 'a/x.safetensors', '..\\x.safetensors', 'x.bin', '.safetensors', '', 5, null])(
    'a shard called %j is FILE_FORMAT',
    async (shard) => {
      await failure(async () => openCheckpoint(await shardedFolder({ a: shard }, {})), 'FILE_FORMAT', 'a');
    },
  );

  test.each([[undefined], [null], [[]], [{}], ['x']])('weight_map %j is FILE_FORMAT', async (map) => {
    await failure(async () => openCheckpoint(await shardedFolder(map, {})), 'FILE_FORMAT', 'weight_map');
  });

  test('an index that is not JSON, or names a tensor twice, is FILE_FORMAT', async () => {
    const dir = await temporaryFolder();
    await writeFile(join(dir, 'model.safetensors.index.json'), '{"weight_map":');
    await failure(() => openCheckpoint(dir), 'FILE_FORMAT');
    await writeFile(join(dir, 'model.safetensors.index.json'), '{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}');
    await failure(() => openCheckpoint(dir), 'FILE_FORMAT', '"a"');
  });

  test('no folder, no weights, and pickled weights with the command that converts them', async () => {
    const dir = await temporaryFolder();
    await failure(() => openCheckpoint(join(dir, 'none')), 'FILE_NOT_FOUND');
    await failure(() => openCheckpoint(dir), 'FILE_NOT_FOUND', dir);
    const odd = join(dir, "it's $HOME");
    await mkdir(odd);
    await writeFile(join(odd, 'pytorch_model.bin'), 'PK');
    const error = await failure(() => openCheckpoint(odd), 'FILE_UNSUPPORTED', 'pytorch_model.bin');
    expect(error.remedy).toContain('save_pretrained');
    expect(error.remedy!.endsWith(`'${dir}/it'\\''s $HOME'`)).toBe(true);
  });
});

describe('checkCheckpoint', () => {
  const load = async (dir: string) => {
    const checkpoint = await openCheckpoint(dir);
    return checkCheckpoint(parseT5Config(await readJson(join(dir, 'config.json'))), checkpoint);
  };

  test.each([
    ['t5-tied', { tieWordEmbeddings: true, scaleDecoderOutputs: true, feedForward: 'relu' }],
    ['t5-untied', { tieWordEmbeddings: false, scaleDecoderOutputs: false, feedForward: 'gated-gelu' }],
    ['mt5-tied', { tieWordEmbeddings: true, scaleDecoderOutputs: false, feedForward: 'gated-gelu' }],
  ])('%s, as transformers saves it', async (name, expected) => {
    const { config, tensors, ignored } = await load(join(FIXTURES, name));
    expect(config).toMatchObject(expected);
    expect([...tensors.keys()]).toEqual([...expectedTensors(config).keys()]);
    expect(ignored).toEqual([]);
  });

  /** A copy of the tied fixture with some tensors changed, added or (undefined) left out. */
  async function altered(changes: Record<string, Partial<TensorData> | undefined>): Promise<string> {
    const source = await openCheckpoint(join(FIXTURES, 't5-tied'));
    const dir = await temporaryFolder();
    await copyFile(join(FIXTURES, 't5-tied', 'config.json'), join(dir, 'config.json'));
    const tensors = new Map<string, TensorData>();
    for (const { name, dtype, shape } of source.tensors.values()) {
      tensors.set(name, { name, dtype, shape, data: await source.read(name) });
    }
    for (const [name, change] of Object.entries(changes)) {
      if (change === undefined) tensors.delete(name);
      else tensors.set(name, { ...tensors.get(name)!, ...change, name });
    }
    await writeSafetensors(join(dir, 'model.safetensors'), [...tensors.values()]);
    return dir;
  }
  const sharedCopy = async (): Promise<TensorData> => {
    const source: Checkpoint = await openCheckpoint(join(FIXTURES, 't5-tied'));
    return { name: '', dtype: 'F32', shape: [24, 8], data: await source.read('shared.weight') };
  };

  test('tolerates copies of the embedding and the unused bias table of old files', async () => {
    const copy = await sharedCopy();
    const extras = {
      'encoder.embed_tokens.weight': copy,
      'decoder.embed_tokens.weight': copy,
      'lm_head.weight': copy,
      'decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight': {
        dtype: 'F32' as const,
        shape: [32, 2],
        data: new Float32Array(64),
      },
    };
    const { config, ignored } = await load(await altered(extras));
    expect(config.tieWordEmbeddings).toBe(true);
    expect(ignored.sort()).toEqual(Object.keys(extras).sort());
  });

  test('a head that differs from the embedding is a head of its own', async () => {
    const copy = await sharedCopy();
    const { config, tensors } = await load(await altered({ 'lm_head.weight': { ...copy, data: new Float32Array(192) } }));
    expect(config.tieWordEmbeddings).toBe(false);
    expect(tensors.has('lm_head.weight')).toBe(true);
  });

  test('missing, misshapen, integer, unknown and diverging tensors are named', async () => {
    const norm = 'decoder.block.1.layer.2.layer_norm.weight';
    await failure(async () => load(await altered({ [norm]: undefined })), 'TENSOR_MISSING', norm);
    await failure(async () => load(await altered({ 'shared.weight': undefined })), 'TENSOR_MISSING', 'shared.weight');
    await failure(async () => load(await altered({ [norm]: { shape: [2, 4] } })), 'TENSOR_SHAPE', norm);
    await failure(async () => load(await altered({ [norm]: { shape: [4], data: new Float32Array(4) } })), 'TENSOR_SHAPE', norm);
    await failure(async () => load(await altered({ [norm]: { dtype: 'I32' } })), 'TENSOR_DTYPE', norm);
    const extra = { dtype: 'F32' as const, shape: [1], data: new Float32Array(1) };
    await failure(async () => load(await altered({ 'encoder.block.1.x': extra })), 'TENSOR_UNEXPECTED', 'encoder.block.1.x');
    await failure(async () => load(await altered({ 'lm_head.weight': extra })), 'TENSOR_SHAPE', 'lm_head.weight');
    const other = { ...(await sharedCopy()), data: new Float32Array(192) };
    const embed = 'encoder.embed_tokens.weight';
    await failure(async () => load(await altered({ [embed]: other })), 'TENSOR_UNEXPECTED', embed);
  });

  test('an untied configuration without a head is TENSOR_MISSING', async () => {
    const dir = await altered({});
    const json = JSON.parse(await readFile(join(dir, 'config.json'), 'utf8')) as object;
    await writeFile(join(dir, 'config.json'), JSON.stringify({ ...json, tie_word_embeddings: false }));
    await failure(() => load(dir), 'TENSOR_MISSING', 'lm_head.weight');
  });
});
