/** Rows of a batch, lengths, streaming, abort and bad arguments. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Engine } from '../../lib/engine/engine.ts';
import type { ErrorCode } from '../../lib/engine/errors.ts';
import { HypertuneError } from '../../lib/engine/errors.ts';
import type { GenerateCall } from '../../lib/t5/decoding/index.ts';
import { T5Decoder } from '../../lib/t5/decoding/index.ts';
import type { Model } from './support.ts';
import { openModel } from './support.ts';

const engine = Engine.open({ device: 'cpu' });
const inputs = [[5, 9, 33, 1], [1], [20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 1], [7, 8, 1], [40, 1]].map((row) => Int32Array.from(row));
let model: Model;
let decoder: T5Decoder;
beforeAll(async () => {
  model = await openModel(engine, 't5-v1.1');
  ({ decoder } = model);
});
afterAll(async () => {
  await model[Symbol.asyncDispose]();
  await engine.dispose();
});
const lists = (rows: readonly Int32Array[]) => rows.map((row) => [...row]);

async function failure(promise: Promise<unknown>, code: ErrorCode, field?: string): Promise<void> {
  const error = await promise.then(() => expect.fail('nothing was thrown'), (thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(HypertuneError);
  expect((error as HypertuneError).code, (error as HypertuneError).message).toBe(code);
  if (field) expect((error as HypertuneError).field).toBe(field);
}

// Endings forbidden, so that every answer has the full length.
const ENDLESS = { maxNewTokens: 40, suppressTokens: [1], repetitionPenalty: 1.3 };

describe('rows', () => {
  test.each([
    ['greedy', { maxNewTokens: 12 }],
    ['greedy without end', ENDLESS],
    ['beams', { maxNewTokens: 12, numBeams: 3, numReturnSequences: 2 }],
    ['beams with rules', { maxNewTokens: 12, numBeams: 3, numReturnSequences: 2, noRepeatNgramSize: 2, earlyStopping: true }],
  ] as [string, GenerateCall][])('%s: each row alone as in the batch', async (_, options) => {
    const together = await decoder.generate(inputs, options);
    const n = options.numReturnSequences ?? 1;
    for (const [r, input] of inputs.entries()) {
      const alone = await decoder.generate([input], options);
      expect(lists(alone.sequences)).toEqual(lists(together.sequences.slice(r * n, (r + 1) * n)));
      alone.scores.forEach((score, i) => expect(score).toBeCloseTo(together.scores[r * n + i], 4));
    }
  });

  test('calls that overlap do not meet', async () => {
    const calls: GenerateCall[] = [{ maxNewTokens: 20 }, ENDLESS, { maxNewTokens: 20, numBeams: 4 }, { ...ENDLESS, numBeams: 2 }];
    const apart: number[][][] = [];
    for (const options of calls) apart.push(lists((await decoder.generate(inputs, options)).sequences));
    const together = await Promise.all(calls.map((options) => decoder.generate(inputs, options)));
    expect(together.map(({ sequences }) => lists(sequences))).toEqual(apart);
  });

  test('more rows and longer rows than the calls before', async () => {
    const one = await decoder.generate([inputs[2]], { maxNewTokens: 6 });
    const long = Int32Array.from({ length: 300 }, (_, i) => (i === 299 ? 1 : 2 + ((i * 7) % 100)));
    const many = await decoder.generate([...new Array<Int32Array>(36).fill(inputs[2]), long], { maxNewTokens: 6 });
    for (const row of many.sequences.slice(0, 36)) expect([...row]).toEqual([...one.sequences[0]]);
    const alone = await decoder.generate([long], { maxNewTokens: 6 });
    expect([...many.sequences[36]]).toEqual([...alone.sequences[0]]);
  });
});

describe('lengths', () => {
  test('one token, with both names of the limit', async () => {
    const full = await decoder.generate(inputs, { maxNewTokens: 5 });
    for (const options of [{ maxNewTokens: 1 }, { maxLength: 2 }]) {
      const got = await decoder.generate(inputs, options);
      expect(lists(got.sequences)).toEqual(full.sequences.map((row) => [row[0]]));
    }
    const beams = await decoder.generate(inputs, { maxNewTokens: 1, numBeams: 3 });
    expect(lists(beams.sequences)).toEqual(full.sequences.map((row) => [row[0]]));
  });

  test('limits around the number of steps in one native call', async () => {
    const { sequences } = await decoder.generate(inputs, { ...ENDLESS, maxNewTokens: 40 });
    expect(sequences.map((row) => row.length)).toEqual([40, 40, 40, 40, 40]);
    for (const maxNewTokens of [15, 16, 17, 32, 33]) {
      const got = await decoder.generate(inputs, { ...ENDLESS, maxNewTokens });
      expect(lists(got.sequences)).toEqual(sequences.map((row) => [...row.subarray(0, maxNewTokens)]));
    }
  });

  test('20 tokens where nothing is said, the model\'s own limit where it has one, the caller\'s before both', async () => {
    const endless = { suppressTokens: [1] };
    expect((await decoder.generate([inputs[0]], endless)).sequences[0].length).toBe(20);
    await using own = new T5Decoder(engine, model.config, model.parameters, undefined, { maxNewTokens: 7 });
    expect((await own.generate([inputs[0]], endless)).sequences[0].length).toBe(7);
    expect((await own.generate([inputs[0]], { ...endless, maxLength: 4 })).sequences[0].length).toBe(3);
  });
});

test('steps agree with the full pass', async () => {
  const got = await decoder.generate(inputs, { maxNewTokens: 40, minNewTokens: 39 });
  const { perToken } = await decoder.score(inputs, got.sequences.map((row) => [row]));
  // log p under the rules; without an end token to forbid they differ by the mass of that one token only.
  const free = await decoder.generate(inputs, { maxNewTokens: 12 });
  const scored = await decoder.score(inputs, free.sequences.map((row) => [row]));
  free.logProbs!.forEach((row, r) => row.forEach((p, t) => expect(p).toBeCloseTo(scored.perToken[r][0][t], 4)));
  got.logProbs!.forEach((row, r) => row.forEach((p, t) => expect(p).toBeGreaterThanOrEqual(perToken[r][0][t] - 1e-4)));
});

test('a beam score is the likelihood of its answer by length', async () => {
  const got = await decoder.generate(inputs, { maxNewTokens: 10, numBeams: 4, lengthPenalty: 0.7 });
  const { logLikelihood } = await decoder.score(inputs, got.sequences.map((row) => [row]));
  got.scores.forEach((score, r) => expect(score).toBeCloseTo(logLikelihood[r][0] / got.sequences[r].length ** 0.7, 4));
});

describe('steps as they come', () => {
  test('one call per step, pad for rows that have ended', async () => {
    const want = await decoder.generate(inputs, { maxNewTokens: 12 });
    const steps: Int32Array[] = [];
    const got = await decoder.generate(inputs, { maxNewTokens: 12, onStep: (tokens) => steps.push(tokens) });
    expect(lists(got.sequences)).toEqual(lists(want.sequences));
    expect(steps.length).toBe(Math.max(...want.sequences.map((row) => row.length)));
    steps.forEach((tokens, step) => expect([...tokens]).toEqual(want.sequences.map((row) => row[step] ?? model.config.padTokenId)));
  });

  test('an error in the listener ends the call with that error', async () => {
    const thrown = new Error('listener');
    await expect(decoder.generate(inputs, { ...ENDLESS, onStep: () => { throw thrown; } })).rejects.toBe(thrown);
  });
});

describe('abort', () => {
  test('between two tokens; the decoder works on', async () => {
    const want = await decoder.generate(inputs, ENDLESS);
    const controller = new AbortController();
    let steps = 0;
    const stopAtThree = () => {
      if (++steps === 3) controller.abort();
    };
    await failure(decoder.generate(inputs, { ...ENDLESS, signal: controller.signal, onStep: stopAtThree }), 'ABORTED');
    expect(steps).toBe(3);
    expect(lists((await decoder.generate(inputs, ENDLESS)).sequences)).toEqual(lists(want.sequences));
  });

  test('within a native call, where 5000 tokens are asked for', async () => {
    const controller = new AbortController();
    const call = decoder.generate(inputs, { ...ENDLESS, maxNewTokens: 5000, signal: controller.signal });
    setImmediate(() => controller.abort());
    await failure(call, 'ABORTED');
    const [a, b] = [await decoder.generate(inputs, { ...ENDLESS, maxNewTokens: 33 }), await decoder.generate(inputs, ENDLESS)];
    expect(lists(a.sequences)).toEqual(b.sequences.map((row) => [...row.subarray(0, 33)]));
  });

  test('before the start, in beam search and in scoring', async () => {
    const signal = AbortSignal.abort();
    await failure(decoder.generate(inputs, { signal }), 'ABORTED');
    await failure(decoder.generate(inputs, { signal, numBeams: 2 }), 'ABORTED');
    await failure(decoder.score(inputs, inputs.map((row) => [row]), { signal }), 'ABORTED');
  });
});

describe('scoring', () => {
  test('candidates of one input do not see each other', async () => {
    const candidates = [[[5, 1], [1], [9, 9, 9, 1]], [[3, 1]]].map((list) => list.map((ids) => Int32Array.from(ids)));
    const together = await decoder.score([inputs[0], inputs[2]], candidates);
    for (const [row, list] of candidates.entries()) {
      for (const [i, ids] of list.entries()) {
        const alone = await decoder.score([[inputs[0], inputs[2]][row]], [[ids]]);
        expect(alone.logLikelihood[0][0]).toBeCloseTo(together.logLikelihood[row][i], 4);
        expect(together.perToken[row][i].length).toBe(ids.length);
      }
    }
  });
});

describe('bad arguments', () => {
  test.each([
    [[], {}, 'ARGUMENT_INVALID', 'inputs'],
    [[inputs[0], new Int32Array(0)], {}, 'ARGUMENT_INVALID', 'inputs[1]'],
    [[[5, 1]], {}, 'ARGUMENT_INVALID', 'inputs[0]'],
    [[new Int32Array(65_537)], {}, 'LENGTH_EXCEEDED', 'inputs[0]'],
    [[Int32Array.of(5, 107, 1)], {}, 'FEED_RANGE', undefined],
    [[Int32Array.of(-1)], {}, 'FEED_RANGE', undefined],
    [inputs, { maxNewTokens: 0 }, 'ARGUMENT_RANGE', 'maxNewTokens'],
    [inputs, { maxNewTokens: 1.5 }, 'ARGUMENT_RANGE', 'maxNewTokens'],
    [inputs, { maxNewTokens: 65_536 }, 'ARGUMENT_RANGE', 'maxNewTokens'],
    [inputs, { maxNewTokens: '5' }, 'ARGUMENT_INVALID', 'maxNewTokens'],
    [inputs, { maxLength: 1 }, 'ARGUMENT_RANGE', 'maxLength'],
    [inputs, { minLength: 30 }, 'ARGUMENT_RANGE', 'minLength'],
    [inputs, { maxNewTokens: 4, minNewTokens: 5 }, 'ARGUMENT_RANGE', 'minNewTokens'],
    [inputs, { numBeams: 0 }, 'ARGUMENT_RANGE', 'numBeams'],
    [inputs, { numBeams: 4000 }, 'ARGUMENT_RANGE', 'numBeams'],
    [inputs, { numReturnSequences: 2 }, 'ARGUMENT_RANGE', 'numReturnSequences'],
    [inputs, { earlyStopping: 'always' }, 'ARGUMENT_INVALID', 'earlyStopping'],
    [inputs, { lengthPenalty: Infinity }, 'ARGUMENT_RANGE', 'lengthPenalty'],
    [inputs, { noRepeatNgramSize: -1 }, 'ARGUMENT_RANGE', 'noRepeatNgramSize'],
    [inputs, { repetitionPenalty: 0 }, 'ARGUMENT_RANGE', 'repetitionPenalty'],
    [inputs, { badWordsIds: [[]] }, 'ARGUMENT_INVALID', 'badWordsIds[0]'],
    [inputs, { badWordsIds: [[5], [107]] }, 'ARGUMENT_RANGE', 'badWordsIds[1]'],
    [inputs, { suppressTokens: [0.5] }, 'ARGUMENT_RANGE', 'suppressTokens'],
    [inputs, { suppressTokens: 5 }, 'ARGUMENT_INVALID', 'suppressTokens'],
    [inputs, { doSample: 1 }, 'ARGUMENT_INVALID', 'doSample'],
    [inputs, { doSample: true, temperature: 0 }, 'ARGUMENT_RANGE', 'temperature'],
    [inputs, { doSample: true, temperature: NaN }, 'ARGUMENT_RANGE', 'temperature'],
    [inputs, { doSample: true, topK: -1 }, 'ARGUMENT_RANGE', 'topK'],
    [inputs, { doSample: true, topP: 1.01 }, 'ARGUMENT_RANGE', 'topP'],
    [inputs, { doSample: true, seed: -1 }, 'ARGUMENT_RANGE', 'seed'],
    [inputs, { doSample: true, seed: [1, 2] }, 'ARGUMENT_INVALID', 'seed'],
    [inputs, { doSample: true, numBeams: 2 }, 'CONFIG_UNSUPPORTED', 'numBeams'],
    [inputs, { numBeams: 2, onStep: () => {} }, 'CONFIG_UNSUPPORTED', 'onStep'],
    [inputs, { beams: 2 }, 'ARGUMENT_INVALID', 'beams'],
    [inputs, { slots: new Int32Array(2) }, 'ARGUMENT_INVALID', 'slots'],
    [inputs, { slots: Int32Array.of(0, 0, 1, 0, 0) }, 'ARGUMENT_INVALID', 'slots'],
  ] as [Int32Array[], GenerateCall, ErrorCode, string | undefined][])('%#: generate', async (rows, options, code, field) => {
    await failure(decoder.generate(rows, options), code, field);
  });

  test('score and logits', async () => {
    await failure(decoder.score(inputs, []), 'ARGUMENT_INVALID', 'candidates');
    await failure(decoder.score([inputs[0]], [[]]), 'ARGUMENT_INVALID', 'candidates[0]');
    await failure(decoder.score([inputs[0]], [[inputs[0], new Int32Array(0)]]), 'ARGUMENT_INVALID', 'candidates[0][1]');
    await failure(decoder.score([inputs[0]], [[Int32Array.of(-1)]]), 'ARGUMENT_RANGE', 'candidates[0][0]');
    await failure(decoder.logits(inputs, [inputs[0]]), 'ARGUMENT_INVALID', 'decoderIds');
  });

  test('what a model asks for and is not here', async () => {
    await using forced = new T5Decoder(engine, model.config, model.parameters, undefined, { forcedBosTokenId: 4 });
    await failure(forced.generate(inputs), 'CONFIG_UNSUPPORTED', 'forcedBosTokenId');
  });
});

test('dispose waits for calls in flight and can be repeated', async () => {
  const own = new T5Decoder(engine, model.config, model.parameters, undefined, model.generation);
  const call = own.generate(inputs, ENDLESS);
  const closed = own.dispose();
  expect((await call).sequences.length).toBe(inputs.length);
  await closed;
  await own.dispose();
  await failure(own.generate(inputs), 'HANDLE_CLOSED', 'decoder');
});
