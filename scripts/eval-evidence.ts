// npm run eval:evidence -- [model folder] [--kind lora] [--tasks 20] [--json file]: right against wrong evidence over tasks of seen kinds.
// Exits with 1 where the lower 95 % bound of the gain in exact match, over all tasks of seen kinds, is not above 0.
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { Universe } from '../lib/data/families/universe.ts';
import { compareEvidence, summarize } from '../lib/eval/evidence.ts';
import type { TaskGroup } from '../lib/eval/evidence.ts';
import { HyperT5 } from '../lib/index.ts';
import type { HyperKind } from '../lib/index.ts';
import { taskList } from '../lib/data/task.ts';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { kind: { type: 'string' }, tasks: { type: 'string', default: '20' }, json: { type: 'string' } } });
const model = await HyperT5.load(positionals[0] ?? 'weights/tiny');
const universe = new Universe();
const seen: TaskGroup[] = (['primitive', 'pair', 'constant', 'marker', 'label', 'map'] as const).map((kind) => ({ name: kind, source: universe.trainedOf(kind) }));
const fresh: TaskGroup[] = [
  ...(['constant', 'marker', 'label'] as const).map((kind) => ({ name: `${kind}, new parameters`, source: universe.heldOutOf(kind) })),
  { name: 'really new compositions', source: taskList(universe.reallyNewPairs) },
];
const kinds = values.kind ? [values.kind as HyperKind] : model.kinds;
const percent = (x: number) => `${(100 * x).toFixed(1).padStart(5)}`;
let failed = false;
const reports: Record<string, unknown> = {};
for (const kind of kinds) {
  const results = await compareEvidence(model, [...seen, ...fresh], { kind, tasksPerGroup: Number(values.tasks) });
  const of = (name: string) => results.filter(({ group }) => group === name);
  const overall = summarize('all seen kinds', seen.flatMap(({ name }) => of(name)));
  const summaries = [...seen.map(({ name }) => summarize(name, of(name))), overall, ...fresh.map(({ name }) => summarize(name, of(name)))];
  reports[kind] = summaries;
  console.log(`\n${kind}: exact match %, mean log-likelihood of the answer; gain = right - wrong [95 % paired bootstrap over tasks]`);
  for (const { name, tasks, exact, logLikelihood: l, exactGain: e, likelihoodGain: g } of summaries) {
    console.log(
      `${name.padEnd(26)} ${String(tasks).padStart(3)} tasks  none ${percent(exact.none)} right ${percent(exact.right)} wrong ${percent(exact.wrong)}  gain ${percent(e.mean)} [${percent(e.low)}, ${percent(e.high)}]` +
        `  ln p ${l.none.toFixed(2)} ${l.right.toFixed(2)} ${l.wrong.toFixed(2)} gain ${g.mean.toFixed(2)} [${g.low.toFixed(2)}, ${g.high.toFixed(2)}]`,
    );
  }
  failed ||= overall.exactGain.low <= 0;
}
if (values.json) await writeFile(values.json, `${JSON.stringify(reports, null, 2)}\n`);
await model.dispose();
if (failed) process.exitCode = 1;
