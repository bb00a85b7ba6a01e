/**
 * Opening the CUDA device. A child process tries it first, because a driver that is broken can end or hang the process that
 * loads it; that costs its start once per process, and only where there is a library to try.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { HypertuneError, type ErrorCode } from './errors.ts';
import { native, translate, type NativeDevice } from './native.ts';

const PROBE_LIMIT_MS = 10_000;

/** What the child prints last; without a code it could use the device. */
interface Answer {
  code?: ErrorCode;
  message?: string;
}

const PROBE = `
  const answer = {};
  try {
    require(process.argv[1]).probeCuda();
  } catch ({ code, message }) {
    Object.assign(answer, { code, message });
  }
  require('node:fs').writeSync(1, '\\n' + JSON.stringify(answer));
`;

/** Throws a HypertuneError that says why there is no device, and what can be done about it. */
export function openCuda(memoryLimit: number): NativeDevice {
  const { addon, library } = native().cudaPaths();
  if (existsSync(library)) {
    const known = native().cudaProbed(library) ?? native().cudaProbed(library, JSON.stringify(probe(addon, library)));
    const { code, message } = JSON.parse(known!) as Answer;
    if (code) throw new HypertuneError(code, message!, { field: 'device' });
  }
  try {
    return native().openEngine('cuda', memoryLimit);
  } catch (error) {
    throw translate(error);
  }
}

function probe(addon: string, library: string): Answer {
  // Without the options of this process: they may start a debugger or load code.
  const env = { ...process.env, HYPERTUNE_CUDA_LIBRARY: library, NODE_OPTIONS: '', ELECTRON_RUN_AS_NODE: '1' };
  const { stdout, stderr, status, signal, error } = spawnSync(process.execPath, ['-e', PROBE, addon], { env, encoding: 'utf8', timeout: PROBE_LIMIT_MS, killSignal: 'SIGKILL' });
  if (status === 0 && stdout.includes('\n{')) return JSON.parse(stdout.slice(stdout.lastIndexOf('\n'))) as Answer;
  const timedOut = (error as NodeJS.ErrnoException | undefined)?.code === 'ETIMEDOUT';
  const end = timedOut ? `did not end within ${PROBE_LIMIT_MS / 1000} s` : error ? `did not start: ${error.message}` : signal ? `was ended by ${signal}` : `ended with code ${status}`;
  const said = `${stderr ?? ''}`.trim().slice(-500);
  return { code: 'CUDA_PROBE_FAILED', message: `a process that tried the CUDA device ${end}${said ? `: ${said}` : ''}.` };
}
