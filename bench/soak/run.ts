// What a long-lived service does to the addon, suite by suite, each in a process of its own. Fails when a limit is broken.
//
//   npm run soak [-- suite ...] [--size 0.1] [--json result.json]
//
// Every figure, and what its limit is for: docs/robustness.md.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine } from '../figures.ts';
import { aborts } from './aborts.ts';
import { adapters } from './adapters.ts';
import { busy } from './busy.ts';
import { disposed, dropped } from './rounds.ts';
import type { Figure, Suite } from './suite.ts';
import { holds } from './suite.ts';
import { timer } from './timer.ts';
import { workers } from './workers.ts';

const SUITES: Record<string, Suite> = { timer, workers, disposed, dropped, adapters, aborts, busy };

/** The suite's figures, from a process that runs nothing else. */
async function apart(name: string, size: number): Promise<Figure[]> {
  const child = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(import.meta.url), name, '--size', String(size), '--here'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  const [code, signal] = await once(child, 'close');
  if (code !== 0) throw new Error(`${name} ended with ${signal ?? `code ${code}`}`);
  return JSON.parse(out) as Figure[];
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { size: { type: 'string', default: '1' }, json: { type: 'string' }, here: { type: 'boolean', default: false } },
});
const size = Number(values.size);
const names = positionals.length ? positionals : Object.keys(SUITES);
for (const name of names) if (!SUITES[name]) throw new Error(`there is no suite '${name}'; there are ${Object.keys(SUITES).join(', ')}`);
if (values.here) {
  console.log(JSON.stringify(await SUITES[names[0]].run(size)));
} else {
  const results: Record<string, unknown> = {};
  let broken = 0;
  for (const name of names) {
    const begun = performance.now();
    const figures = await apart(name, size);
    const seconds = (performance.now() - begun) / 1000;
    console.log(`\n${name}: ${SUITES[name].title} (${seconds.toFixed(0)} s)`);
    for (const figure of figures) {
      const limit = figure.most !== undefined ? `, at most ${figure.most}` : figure.least !== undefined ? `, at least ${figure.least}` : '';
      if (!holds(figure)) broken++;
      console.log(`  ${holds(figure) ? '' : 'BROKEN '}${figure.what}: ${Number(figure.value.toPrecision(4))} ${figure.unit}${limit}`);
    }
    results[name] = { title: SUITES[name].title, seconds, figures };
  }
  if (values.json) await writeFile(values.json, `${JSON.stringify({ machine: machine(), size, results }, null, 1)}\n`);
  if (broken) {
    console.error(`\n${broken} limits are broken`);
    process.exit(1);
  }
}
