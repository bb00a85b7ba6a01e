import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readT5Config, writeT5Config } from '../../lib/files/t5-config-file.ts';
import { FIXTURES, failure, temporaryFolder } from './support.ts';

test.each(['t5-tied', 't5-untied', 'mt5-tied'])('%s: a configuration of transformers is written back', async (name) => {
  const path = join(await temporaryFolder(), 'config.json');
  const config = await readT5Config(join(FIXTURES, name, 'config.json'));
  await writeT5Config(path, config);
  const written = await readFile(path, 'utf8');
  const original = JSON.parse(await readFile(join(FIXTURES, name, 'config.json'), 'utf8')) as object;
  expect(JSON.parse(written)).toEqual({ decoder_start_token_id: 0, ...original });
  // transformers refuses an integer here.
  expect(written).toContain('"initializer_factor": 1.0,');
  expect(written).toContain('"layer_norm_epsilon": 0.000001,');
  expect(Object.keys(JSON.parse(written) as object)).toEqual(Object.keys(JSON.parse(written) as object).sort());
});

test('a missing or broken file is a typed error that names it', async () => {
  const path = join(await temporaryFolder(), 'config.json');
  await failure(() => readT5Config(path), 'FILE_NOT_FOUND', path);
  await writeFile(path, '{"model_type": NaN}');
  await failure(() => readT5Config(path), 'FILE_FORMAT', path);
});
