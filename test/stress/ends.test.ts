// A process ends while models of two threads generate and tune: at once, with the exit code that Node gives it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { TINY } from '../../bench/soak/suite.ts';

const CHILD = fileURLToPath(new URL('child.mjs', import.meta.url));

test.each<[string, NodeJS.Signals | undefined, [number | null, NodeJS.Signals | null]]>([
  ['exit', undefined, [3, null]],
  ['throw', undefined, [1, null]],
  ['reject', undefined, [1, null]],
  ['wait', 'SIGTERM', [null, 'SIGTERM']],
  ['handler', 'SIGTERM', [143, null]],
])('%s %s', async (mode, signal, end) => {
  const child = spawn(process.execPath, [CHILD, mode, TINY], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  if (signal) child.kill(signal);
  expect(await ended).toEqual(end);
  expect(said.replace(/Error: on purpose/, '')).not.toMatch(/core dumped|terminate called|Assertion|FATAL/);
});
