// Most memory that a process takes to load a model and to answer, against the weights, caches and arenas that it has to hold.
//
//   npx tsx bench/model/memory.ts [--sizes base] [--dtypes f32,bf16,int8] [--rows 8] [--length 128] [--steps 17] [--json result.json]
//
// Each is a process of its own. Counted from what Node takes before anything is loaded.
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { WeightType } from '../../lib/t5/parameters.ts';
import type { Figure } from '../figures.ts';
import { conclude } from '../figures.ts';
import type { SizeName } from '../sizes.ts';
import { Subject, writeModel } from './workloads.ts';

const { values: args } = parseArgs({
  options: {
    sizes: { type: 'string', default: 'base' }, dtypes: { type: 'string', default: 'f32,bf16,int8' }, rows: { type: 'string', default: '8' }, length: { type: 'string', default: '128' },
    steps: { type: 'string', default: '17' }, json: { type: 'string' }, child: { type: 'string' },
  },
});
const work = { kind: 'decode', rows: Number(args.rows), length: Number(args.length), steps: Number(args.steps), shortSteps: 1, adapter: 'none' } as const;

/** Bytes. */
interface Memory {
  before: number;
  peak: number;
  held: number;
}

if (args.child) await child(args.child, args.dtypes as WeightType);
else await parent();

async function child(folder: string, dtype: WeightType): Promise<void> {
  const before = process.memoryUsage.rss();
  const subject = await Subject.open(folder, 'cpu', dtype);
  await subject.run(work);
  const memory: Memory = { before, peak: process.resourceUsage().maxRSS * 1024, held: subject.bytes };
  console.log(JSON.stringify(memory));
  await subject.close();
}

async function parent(): Promise<void> {
  const figures: Figure[] = [];
  for (const size of args.sizes.split(',') as SizeName[]) {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'bench-memory-'));
    try {
      await writeModel(folder, size, 'f32');
      for (const dtype of args.dtypes.split(',')) {
        const same = ['rows', 'length', 'steps'].flatMap((name) => [`--${name}`, String(work[name as keyof typeof work])]);
        const out = execFileSync(process.execPath, ['--import', 'tsx', fileURLToPath(import.meta.url), '--child', folder, '--dtypes', dtype, ...same], { encoding: 'utf8' });
        const { before, peak, held } = JSON.parse(out) as Memory;
        figures.push({ id: `memory/${size}/${dtype}`, value: (peak - before) / 1e6, unit: 'MB', ratios: { 'weights, caches and arenas': (peak - before) / held } });
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  }
  await conclude(figures, args.json);
}
