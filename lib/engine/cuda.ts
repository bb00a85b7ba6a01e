/**
 * Opening the CUDA device. A child process tries it first, because a driver that is broken can end or hang the process that
 * loads it; that costs its start once per process, and only where there is a library to try.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { HypertuneError, type ErrorCode } from './errors.ts';
import { addonFile, native, translate, type NativeDevice } from './native.ts';

const PROBE_LIMIT_MS = 10_000;

/** What the child prints last; without a code it could use the device. */
interface Answer {
  code?: ErrorCode;
  message?: string;
}

const PROBE = `
  const answer = {};
  try {
    require(process.argv[1]).probeCuda(process.argv[2]);
  } catch ({ code, message }) {
    Object.assign(answer, { code, message });
  }
  require('node:fs').writeSync(1, '\\n' + JSON.stringify(answer));
`;

/** Throws a HypertuneError that says why there is no device, and what can be done about it. */
export function openCuda(memoryLimit: number): NativeDevice {
  const library = cudaLibrary();
  const known = native().cudaProbed(library) ?? native().cudaProbed(library, JSON.stringify(probe(library)));
  const { code, message } = JSON.parse(known!) as Answer;
  if (code) throw new HypertuneError(code, message!, { field: 'device' });
  try {
    return native().openEngine('cuda', memoryLimit, library);
  } catch (error) {
    throw translate(error);
  }
}

/** What HYPERTUNE_CUDA_LIBRARY names, else the file that `npm run build:cuda` puts beside the addon, else that of the CUDA package. */
function cudaLibrary(): string {
  const named = process.env.HYPERTUNE_CUDA_LIBRARY;
  if (named && !existsSync(named)) throw new HypertuneError('CUDA_NOT_BUILT', `HYPERTUNE_CUDA_LIBRARY names ${named}, which is not there.`, { field: 'device' });
  if (named) return path.resolve(named);
  const beside = path.join(path.dirname(addonFile()), 'hypertune_cuda.so');
  if (existsSync(beside)) return beside;
  try {
    return createRequire(import.meta.url).resolve('hypertune-native-cuda/hypertune_cuda.so');
  } catch (cause) {
    throw new HypertuneError('CUDA_NOT_BUILT', `this installation has no CUDA backend: there is no ${beside}, and no package hypertune-native-cuda.`, { field: 'device', cause });
  }
}

function probe(library: string): Answer {
  // Without the options of this process: they may start a debugger or load code.
  const env = { ...process.env, NODE_OPTIONS: '', ELECTRON_RUN_AS_NODE: '1' };
  const { stdout, stderr, status, signal, error } = spawnSync(process.execPath, ['-e', PROBE, addonFile(), library], { env, encoding: 'utf8', timeout: PROBE_LIMIT_MS, killSignal: 'SIGKILL' });
  if (status === 0 && stdout.includes('\n{')) return JSON.parse(stdout.slice(stdout.lastIndexOf('\n'))) as Answer;
  const timedOut = (error as NodeJS.ErrnoException | undefined)?.code === 'ETIMEDOUT';
  const end = timedOut ? `did not end within ${PROBE_LIMIT_MS / 1000} s` : error ? `did not start: ${error.message}` : signal ? `was ended by ${signal}` : `ended with code ${status}`;
  const said = `${stderr ?? ''}`.trim().slice(-500);
  return { code: 'CUDA_PROBE_FAILED', message: `a process that tried the CUDA device ${end}${said ? `: ${said}` : ''}.` };
}
