// Adapters written by peft give its logits here, and what we write gives the same again.
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addToBank } from '../../lib/adapters/adapter.ts';
import { AdapterBank, slotId } from '../../lib/adapters/bank.ts';
import { Engine } from '../../lib/engine/engine.ts';
import { loadT5 } from '../../lib/files/load-t5.ts';
import { readAdapterFolder } from '../../lib/files/peft.ts';
import { T5Decoder } from '../../lib/t5/decoding/index.ts';
import { WRITTEN, write } from '../goldens/written.ts';
import { GOLDENS, openGolden, packedError, readGolden, unpad } from '../goldens/read.ts';

const CASES = ['lora-qv', 'lora-all-linear', 'lora-ragged', 'lora-rslora', 'lora-one-block', 'lora-v1.0-tied', 'prompt', 'prompt-one-submodule', 'prefix-ln2', 'prefix-ln3', 'prefix-ln4', 'prefix-projection', 'prefix-token-dim', 'prefix-flan-token-dim'];
const REFUSED = ['dora', 'ia3-mt5', 'ia3-v1.0', 'ln-tuning', 'lora-bias', 'lora-head'];

let engine: Engine;
beforeAll(() => {
  engine = Engine.open({ device: 'cpu' });
});
afterAll(() => engine.dispose());

describe.each([...CASES.map((name) => `peft/${name}`), ...WRITTEN.map(({ name }) => `peft-written/${name}`)])('%s', (name) => {
  test('has the logits of peft, before and after a round trip', async () => {
    const { base } = readGolden(`${name}/golden.json`);
    const golden = await openGolden(`${name}/golden.safetensors`);
    const t5 = await loadT5(engine, path.join(GOLDENS, base), { dtype: 'f32' });
    const bank = new AdapterBank(engine, t5.config);
    const first = await addToBank(bank, await readAdapterFolder(path.join(GOLDENS, name), t5.config), { origin: 'loaded' });
    const folder = path.join(await mkdtemp(path.join(tmpdir(), 'adapter-')), 'again');
    await first.save(folder);
    const again = await addToBank(bank, await readAdapterFolder(folder, t5.config), { origin: 'loaded' });

    const inputs = unpad(await golden.ints('short.input_ids'), golden.shape('short.input_ids')[1], await golden.ints('short.input_lengths'));
    const decoderLengths = await golden.ints('short.decoder_lengths');
    const decoder = unpad(await golden.ints('short.decoder_input_ids'), golden.shape('short.decoder_input_ids')[1], decoderLengths);
    const [, width, vocab] = golden.shape('short.logits');
    const expected = await golden.floats('short.logits');
    for (const adapter of [first, again]) {
      const slot = adapter.acquire(bank);
      const t5Decoder = new T5Decoder(engine, t5.config, t5.parameters, bank.adaptation(slot.layout.policy), t5.generation);
      const rows = inputs.map((ids) => Int32Array.from([...bank.promptIds(slot), ...ids]));
      const { values } = await t5Decoder.logits(rows, decoder, { slots: new Int32Array(rows.length).fill(slotId(slot)) });
      expect(packedError(values, expected, width, vocab, decoderLengths)).toBeLessThan(1e-4);
      adapter.release();
      await t5Decoder.dispose();
    }
  });
});

test.each(REFUSED)('%s is refused with the field named', async (name) => {
  const { base } = readGolden(`peft/${name}/golden.json`);
  const t5 = await loadT5(engine, path.join(GOLDENS, base));
  await expect(readAdapterFolder(path.join(GOLDENS, 'peft', name), t5.config)).rejects.toMatchObject({ name: 'HypertuneError', code: 'CONFIG_UNSUPPORTED', field: expect.stringMatching(/./) });
});

test.each(WRITTEN)('$name is written byte for byte as the folder whose logits peft computed', async (written) => {
  const dir = path.join(await mkdtemp(path.join(tmpdir(), 'written-')), written.name);
  await write(written, dir);
  for (const file of ['adapter_config.json', 'adapter_model.safetensors']) {
    const expected = await readFile(path.join(GOLDENS, 'peft-written', written.name, file));
    expect((await readFile(path.join(dir, file))).equals(expected), file).toBe(true);
  }
});
