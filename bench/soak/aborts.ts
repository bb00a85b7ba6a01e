/** Calls aborted at random moments: each settles, and the model then answers as before, bit for bit. */
import { setTimeout } from 'node:timers/promises';
import { Random } from '../../lib/data/random.ts';
import { HyperT5, HypertuneError } from '../../lib/index.ts';
import type { TextGenerateOptions } from '../../lib/index.ts';
import type { Figure, Suite } from './suite.ts';
import { EXAMPLES, QUERY, TINY, scaled } from './suite.ts';

const CALLS = 1000;
/** Calls in flight at a time: they wait for each other on the engine's thread. */
const TOGETHER = 4;
const LONG = { maxNewTokens: 64, minNewTokens: 64 };
const WAYS: readonly TextGenerateOptions[] = [LONG, { ...LONG, doSample: true, seed: 7 }, { ...LONG, numBeams: 3 }];

async function run(size: number): Promise<Figure[]> {
  const calls = scaled(CALLS, size);
  const random = Random.stream(1, 'aborts');
  const model = await HyperT5.load(TINY, { device: 'cpu' });
  const adapter = await model.adapt(EXAMPLES);
  const answers = async () => JSON.stringify(await Promise.all(WAYS.map((way) => model.generateDetailed([QUERY, 'one two three'], { ...way, adapter }))));
  const before = await answers();
  const begun = performance.now();
  await answers();
  const typical = ((performance.now() - begun) / WAYS.length) * TOGETHER;
  // The caches that are kept for the next call are at their largest after the largest calls.
  await Promise.all(Array.from({ length: TOGETHER }, () => model.generate([QUERY, 'one two three'], { ...WAYS.at(-1), adapter })));
  const bytes = model.info().bytes;
  let [aborted, finished, adapting] = [0, 0, 0];
  const call = async (i: number) => {
    const controller = new AbortController();
    const way = WAYS[random.int(WAYS.length)];
    const after = random.float() * typical;
    const settled = (i % 10 === 0 ? model.adapt(EXAMPLES, { signal: controller.signal }).then((a) => a.dispose()) : model.generate([QUERY, 'one two three'], { ...way, adapter, signal: controller.signal }))
      .then(() => finished++, (error: unknown) => {
        if (!(error instanceof HypertuneError) || error.code !== 'ABORTED') throw error;
        aborted++;
        if (i % 10 === 0) adapting++;
      });
    await setTimeout(after);
    controller.abort();
    await settled;
  };
  for (let i = 0; i < calls; i += TOGETHER) await Promise.all(Array.from({ length: Math.min(TOGETHER, calls - i) }, (_, k) => call(i + k)));
  const same = (await answers()) === before;
  const [left, grown] = [model.info().adapters - 1, model.info().bytes - bytes];
  await model.dispose();
  return [
    { what: 'calls that settled', value: aborted + finished, unit: '', least: calls, most: calls },
    { what: 'of these aborted', value: aborted, unit: '', least: calls / 4 },
    { what: 'of these while they adapted', value: adapting, unit: '' },
    { what: 'answers that differ afterwards', value: same ? 0 : 1, unit: '', most: 0 },
    { what: 'adapters left', value: left, unit: '', most: 0 },
    { what: 'bytes of the device more than before', value: grown, unit: 'bytes', most: 0 },
  ];
}

export const aborts: Suite = { title: `${CALLS.toLocaleString('en')} calls aborted at random moments`, run };
