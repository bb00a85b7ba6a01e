/** The process itself: signals, closed pipes, exit codes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { MAIN, ROOT, TINY } from './support.ts';

function start(...argv: string[]) {
  const child = spawn(process.execPath, [...MAIN, ...argv], { cwd: ROOT, stdio: ['pipe', 'pipe', 'pipe'] });
  let err = '';
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  child.stdin.on('error', () => undefined);
  const ended = once(child, 'close').then(([code, signal]) => ({ code: code as number | null, signal: signal as string | null, err }));
  return { child, ended };
}

test('an interrupt ends a command that waits for input with code 130', async () => {
  const { child, ended } = start('generate', TINY, '--stream');
  child.stdin.write('one two three\n');
  await once(child.stdout, 'data');
  child.kill('SIGINT');
  const { code, signal, err } = await ended;
  expect({ code, signal }).toEqual({ code: 130, signal: null });
  expect(err).toContain('error ABORTED');
});

test('a reader that goes away ends the command quietly', async () => {
  const { child, ended } = start('generate', TINY, '--stream');
  child.stdout.destroy();
  child.stdin.write('one two three\n'.repeat(100));
  expect(await ended).toEqual({ code: 0, signal: null, err: '' });
});

test('the exit code of wrong usage', async () => {
  const { child, ended } = start('generate');
  child.stdin.end();
  const { code, err } = await ended;
  expect(code).toBe(2);
  expect(err).toContain("missing required argument 'model'");
});
