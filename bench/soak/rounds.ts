/** Models that come and go: load, adapt, generate, and then dispose or nothing at all. */
import { setImmediate } from 'node:timers/promises';
import v8 from 'node:v8';
import vm from 'node:vm';
import { native } from '../../lib/engine/native.ts';
import { HyperT5 } from '../../lib/index.ts';
import type { Figure, Suite } from './suite.ts';
import { EXAMPLES, MIB, QUERY, TINY, scaled } from './suite.ts';

/** Before it, caches, pools of the allocator and compiled code grow. */
const WARM = 100;

async function round(dispose: boolean): Promise<string> {
  const model = await HyperT5.load(TINY, { device: 'cpu' });
  const adapter = await model.adapt(EXAMPLES);
  const [answer] = await model.generate([QUERY], { adapter });
  if (dispose) await model.dispose();
  return answer;
}

/** Lets the garbage collector find what nobody holds, and the engines that it found close. */
async function collect(): Promise<void> {
  v8.setFlagsFromString('--expose-gc');
  const gc = vm.runInNewContext('gc') as () => void;
  for (let i = 0; i < 20 && native().held() > 0; i++) {
    gc();
    await setImmediate();
  }
}

async function rounds(size: number, dispose: boolean): Promise<Figure[]> {
  const count = scaled(5 * WARM, size), warm = scaled(WARM, size);
  const rss: number[] = [], answers = new Set<string>();
  for (let i = 1; i <= count; i++) {
    answers.add(await round(dispose));
    if (i !== warm && i !== count) continue;
    if (!dispose) await collect();
    rss.push(process.memoryUsage.rss());
  }
  return [
    { what: `RSS after ${count} rounds, to that after ${warm}`, value: rss[1] / rss[0], unit: '', ...(size >= 1 && { most: 1.05 }) },
    { what: `RSS after ${count} rounds`, value: rss[1] / MIB, unit: 'MiB' },
    { what: 'bytes in buffers and arenas at the end', value: native().held(), unit: 'bytes', most: 0 },
    { what: 'different answers', value: answers.size, unit: '', most: 1 },
  ];
}

export const disposed: Suite = { title: 'load, adapt, generate, dispose', run: (size) => rounds(size, true) };
export const dropped: Suite = { title: 'load, adapt, generate, and drop everything', run: (size) => rounds(size, false) };
