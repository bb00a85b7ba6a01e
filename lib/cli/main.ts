#!/usr/bin/env node
/** Process entry of `hypertune`. */
import { processIo } from './process.ts';
import { run } from './program.ts';

void run(process.argv.slice(2), processIo()).then((code) => {
  process.exitCode = code;
});
