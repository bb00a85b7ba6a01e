/** Adapters that come and go in one bank: what an add costs does not grow with the number there were. */
import { HyperT5 } from '../../lib/index.ts';
import type { Adapter } from '../../lib/index.ts';
import type { Figure, Suite } from './suite.ts';
import { median } from '../figures.ts';
import { TINY, scaled } from './suite.ts';

const ADDED = 10_000;

async function run(size: number): Promise<Figure[]> {
  const count = scaled(ADDED, size), part = count / 10;
  const model = await HyperT5.load(TINY, { device: 'cpu' });
  const times: number[] = [], bytes: number[] = [];
  const living: Adapter[] = [];
  for (let i = 0; i < count; i++) {
    const begun = process.cpuUsage();
    living.push(await model.newAdapter({ kind: 'lora', rank: 1, seed: i }));
    const { user, system } = process.cpuUsage(begun);
    times.push((user + system) / 1000);
    if (living.length > part) living.shift()!.dispose();
    bytes.push(model.info().bytes);
  }
  for (const adapter of living) adapter.dispose();
  const left = model.info().adapters;
  await model.dispose();
  const [first, last] = [median(times.slice(part, 2 * part)), median(times.slice(-part))];
  return [
    { what: `CPU time of an add: the last ${part} to the first ${part} after as many to warm up, medians`, value: last / first, unit: '', ...(size >= 1 && { most: 1.25 }) },
    { what: 'CPU time of an add at the end', value: last, unit: 'ms' },
    { what: 'bytes of the device at the end, to those when the bank was first full', value: bytes.at(-1)! / bytes[2 * part], unit: '', most: 1 },
    { what: 'adapters left', value: left, unit: '', most: 0 },
  ];
}

export const adapters: Suite = { title: `${ADDED.toLocaleString('en')} adapters added, a tenth of them alive at a time`, run };
