#!/usr/bin/env node
/** Process entry of the quickstart. */
import { processIo } from './process.ts';
import { runQuickstart } from './quickstart-program.ts';

void runQuickstart(process.argv.slice(2), processIo()).then((code) => {
  process.exitCode = code;
});
