// answer.mjs in a worker thread.
import { Worker } from 'node:worker_threads';

new Worker(new URL('answer.mjs', import.meta.url)).on('message', (result) => console.log(result));
