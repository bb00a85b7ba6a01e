import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseGenerationConfig } from '../../lib/files/generation-config.ts';
import { readJson } from '../../lib/files/json.ts';
import { FIXTURES, failure } from './support.ts';

describe('parseGenerationConfig', () => {
  test('a file that transformers wrote, with the neutral values for what it leaves out', async () => {
    const config = parseGenerationConfig(await readJson(join(FIXTURES, 't5-tied', 'generation_config.json')), 24);
    expect(config).toMatchObject({
      numBeams: 1,
      doSample: false,
      earlyStopping: false,
      lengthPenalty: 1,
      repetitionPenalty: 1,
      temperature: 1,
      topK: 50,
      topP: 1,
      noRepeatNgramSize: 0,
      eosTokenIds: [1],
      padTokenId: 0,
      badWordsIds: [],
      suppressTokens: [],
    });
    expect(config.maxLength).toBeUndefined();
  });

  test('every field', () => {
    const json = {
      max_length: 200,
      max_new_tokens: 50,
      min_length: 10,
      min_new_tokens: 3,
      num_beams: 4,
      num_return_sequences: 2,
      early_stopping: 'never',
      length_penalty: -0.5,
      no_repeat_ngram_size: 3,
      repetition_penalty: 1.2,
      temperature: 0.7,
      top_k: 0,
      top_p: 0.9,
      do_sample: false,
      decoder_start_token_id: 0,
      eos_token_id: [1, 2],
      pad_token_id: 0,
      bad_words_ids: [[5], [6, 7]],
      suppress_tokens: [8],
      forced_bos_token_id: 9,
      forced_eos_token_id: 1,
    };
    const { raw, ...config } = parseGenerationConfig(json, 10);
    expect(raw).toEqual(json);
    expect(config).toEqual({
      maxLength: 200,
      maxNewTokens: 50,
      minLength: 10,
      minNewTokens: 3,
      numBeams: 4,
      numReturnSequences: 2,
      earlyStopping: 'never',
      lengthPenalty: -0.5,
      noRepeatNgramSize: 3,
      repetitionPenalty: 1.2,
      temperature: 0.7,
      topK: 0,
      topP: 0.9,
      doSample: false,
      decoderStartTokenId: 0,
      eosTokenIds: [1, 2],
      padTokenId: 0,
      badWordsIds: [[5], [6, 7]],
      suppressTokens: [8],
      forcedBosTokenId: 9,
      forcedEosTokenIds: [1],
    });
  });

  test.each([
    ['max_length', 0],
    ['max_new_tokens', 1.5],
    ['num_beams', 0],
    ['num_beams', true],
    ['early_stopping', 'always'],
    ['length_penalty', '1'],
    ['repetition_penalty', 0],
    ['repetition_penalty', -1],
    ['temperature', 0],
    ['top_k', -1],
    ['top_p', 1.1],
    ['do_sample', 1],
    ['no_repeat_ngram_size', -1],
    ['num_return_sequences', 2],
    ['pad_token_id', 10],
    ['eos_token_id', [1, 10]],
    ['suppress_tokens', [10]],
    ['forced_bos_token_id', 10],
    ['bad_words_ids', [[]]],
    ['bad_words_ids', [1]],
    ['bad_words_ids', [[10]]],
  ])('%s: %j is CONFIG_INVALID', async (field, value) => {
    await failure(() => parseGenerationConfig({ [field]: value }, 10), 'CONFIG_INVALID', field);
  });

  test('bounds that exclude each other are CONFIG_INVALID', async () => {
    await failure(() => parseGenerationConfig({ min_length: 5, max_length: 4 }), 'CONFIG_INVALID', 'min_length');
    await failure(() => parseGenerationConfig({ min_new_tokens: 5, max_new_tokens: 4 }), 'CONFIG_INVALID', 'min_new_tokens');
  });

  test.each([
    ['num_beam_groups', 2],
    ['penalty_alpha', 0.6],
    ['typical_p', 0.9],
    ['force_words_ids', [[1]]],
    ['begin_suppress_tokens', [1]],
    ['guidance_scale', 1.5],
  ])('%s: %j is CONFIG_UNSUPPORTED', async (field, value) => {
    await failure(() => parseGenerationConfig({ [field]: value }), 'CONFIG_UNSUPPORTED', field);
  });

  test('unimplemented fields at their neutral value are accepted', () => {
    expect(parseGenerationConfig({ num_beam_groups: 1, typical_p: 1.0, force_words_ids: null }).numBeams).toBe(1);
  });
});
