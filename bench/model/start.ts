// From `import` to the first token of an answer, with weights/tiny, in processes of their own.
//
//   npm run build:ts && npx tsx bench/model/start.ts [--rounds 9] [--json result.json]
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Figure } from '../figures.ts';
import { conclude, median } from '../figures.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CHILD = `
const start = performance.now();
const { HyperT5 } = await import('./dist/index.js');
const imported = performance.now();
const model = await HyperT5.load('weights/tiny');
const loaded = performance.now();
const answer = model.stream('one two three');
await answer.next();
const first = performance.now();
await answer.return();
await model.dispose();
console.log(JSON.stringify({ import: imported - start, load: loaded - imported, token: first - loaded, all: first - start }));
`;

const { values: args } = parseArgs({ options: { rounds: { type: 'string', default: '9' }, json: { type: 'string' } } });
const runs: Record<string, number>[] = [];
for (let i = 0; i < Number(args.rounds); i++) {
  runs.push(JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', CHILD], { cwd: ROOT, encoding: 'utf8' })) as Record<string, number>);
}
const figures = ['import', 'load', 'token', 'all'].map((part): Figure => ({ id: `start/tiny/${part}`, value: median(runs.map((run) => run[part])), unit: 'ms' }));
await conclude(figures, args.json);
