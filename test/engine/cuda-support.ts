import path from 'node:path';
import { fileURLToPath } from 'node:url';

const built = (name: string) => path.join(path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url)))), 'build/tests', name);

/** What `npm run build:tests` makes: the kernels on the CPU, a backend that breaks, a cuBLAS of another version. */
export const EMULATED = built('hypertune_cuda_emulated.so');
export const BROKEN = built('hypertune_cuda_broken.so');
export const OLD_CUBLAS = built('cublas-12');
