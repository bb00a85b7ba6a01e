import { describe, expect, test } from 'vitest';
import { prefetch, Prefetch } from '../../lib/data/prefetch.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await turn();
};

describe('prefetch', () => {
  test('builds ahead while nobody asks, never more than `ahead`, in order', async () => {
    const built: number[] = [];
    const batches = prefetch((index) => (built.push(index), index * index), 3, 2);
    expect(built).toEqual([]);
    await turns(6);
    expect(built).toEqual([3, 4]);
    expect(await batches.next()).toBe(9);
    await turns(4);
    expect(built).toEqual([3, 4, 5]);
    expect([await batches.next(), await batches.next(), await batches.next()]).toEqual([16, 25, 36]);
    batches.dispose();
  });

  test('a batch that is not ready is built at once; asynchronous ones too', async () => {
    const batches = prefetch(async (index) => (await turn(), index), 0);
    expect([await batches.next(), await batches.next(), await batches.next()]).toEqual([0, 1, 2]);
    batches.dispose();
  });

  test('only the time in which `next` waited counts', async () => {
    let now = 0;
    const batchOf = (index: number) => ((now += 250), index);
    const batches = new Prefetch(batchOf, 0, { ahead: 1, clock: () => now });
    await batches.next(); // nothing was ready: built inside the call
    expect([batches.waited, batches.built]).toEqual([0.25, 0.25]);
    await turns(4); // built while the device would be busy
    await batches.next();
    expect([batches.waited, batches.built]).toEqual([0.25, 0.5]);
    batches.dispose();
  });

  test('an error comes at its own index, again and again, and nothing is built after it', async () => {
    const built: number[] = [];
    const batches = prefetch((index) => {
      built.push(index);
      if (index === 2) throw new Error('broken batch');
      return index;
    }, 0, 3);
    await turns(8);
    expect([await batches.next(), await batches.next()]).toEqual([0, 1]);
    await expect(batches.next()).rejects.toThrow('broken batch');
    await expect(batches.next()).rejects.toThrow('broken batch');
    await turns(4);
    expect(built).toEqual([0, 1, 2]);
  });

  test('after dispose nothing is built', async () => {
    const built: number[] = [];
    const batches = prefetch((index) => built.push(index), 0);
    batches.dispose();
    await turns(3);
    expect(built).toEqual([]);
    expect(() => prefetch(() => 0, 0, 0)).toThrow(expect.objectContaining({ code: 'ARGUMENT_RANGE', field: 'ahead' }));
  });
});
