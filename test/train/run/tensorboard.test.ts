import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { EventFile, crc32c } from '../../../lib/train/run/tensorboard.ts';
import { temporaryFolder } from './support.ts';

const GOLDEN = new URL('../../goldens/tensorboard/', import.meta.url);

test('CRC-32C of the check string of its definition', () => {
  expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
});

test('the bytes of an event file are those of the reference writer', async () => {
  const { start, records } = JSON.parse(await readFile(new URL('records.json', GOLDEN), 'utf8')) as { start: number; records: { time: number; step: number; scalars: Record<string, number> }[] };
  const file = `${await temporaryFolder()}/events`;
  const events = await EventFile.create(file, start);
  for (const { time, step, scalars } of records) await events.add(time, step, scalars);
  await events.close();
  const written = await readFile(file);
  const golden = await readFile(new URL('events.out.tfevents.golden', GOLDEN));
  expect(written.equals(golden)).toBe(true);
});
