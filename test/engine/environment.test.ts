// Settings that are read at the first use of the addon, so each in a process of its own.
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { cpuSettings } from '../../lib/engine/engine.ts';

const ENGINE = new URL('../../lib/engine/engine.ts', import.meta.url).href;
const SCRIPT = `const { Engine } = await import('${ENGINE}'); const e = Engine.open({ device: 'cpu' }); console.log(JSON.stringify(e.info())); await e.dispose();`;

function info(environment: Record<string, string>, prefix: string[] = []): { detail: string; threads: number } {
  const [command, ...args] = [...prefix, process.execPath, '--import', 'tsx', '--input-type=module', '-e', SCRIPT];
  const out = execFileSync(command, args, { env: { ...process.env, ...environment }, encoding: 'utf8' });
  return JSON.parse(out);
}

test('HYPERTUNE_ISA takes a lower instruction set', () => {
  expect(info({ HYPERTUNE_ISA: 'portable' }).detail).toBe('portable');
});

test('an instruction set that is not there is named, and the best one used', () => {
  const { detail } = info({ HYPERTUNE_ISA: 'mmx' });
  expect(detail).toContain('mmx');
  expect(detail.startsWith(cpuSettings().available.at(-1)!)).toBe(true);
});

test('one thread where the process may use one CPU', () => {
  const allowed = execFileSync('taskset', ['-c', '-p', String(process.pid)], { encoding: 'utf8' }).split(': ')[1];
  expect(info({}, ['taskset', '-c', String(Number.parseInt(allowed))]).threads).toBe(1);
});

test('HYPERTUNE_THREADS bounds the threads', () => {
  expect(info({ HYPERTUNE_THREADS: '1' }).threads).toBe(1);
});
