/** Two compute threads where another process has taken one of two CPUs: they should lose next to nothing against one thread. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Engine } from '../../lib/engine/engine.ts';
import { Graph, activation, compile, linear } from '../../lib/graph/index.ts';
import { HyperT5, cpuSettings } from '../../lib/index.ts';
import type { Figure, Suite } from './suite.ts';
import { QUERY, TINY, scaled } from './suite.ts';

const TURNS = 150;
const TURN_MS = 100;
const LAYERS = 12;
const WIDTH = 512;
/** What a run computes. */
type Work = () => Promise<ArrayLike<number>>;

/** Layers as a decoding step has them for one row, and an encoder pass for many. */
async function layers(engine: Engine, rows: number): Promise<Work> {
  const weight = engine.buffer('f32', WIDTH * WIDTH, { frozen: true });
  await engine.write(weight, Float32Array.from({ length: WIDTH * WIDTH }, (_, i) => Math.sin(i * i) / Math.sqrt(WIDTH / 2)));
  const g = new Graph();
  let y = g.feed('x', 'f32', [rows, WIDTH]);
  for (let i = 0; i < LAYERS; i++) y = activation(g, { x: linear(g, { x: y, w: g.buffer(weight, [WIDTH, WIDTH]) }), kind: 'tanh' });
  const program = compile(engine, g, { fetches: { y } });
  const feeds = { x: Float32Array.from({ length: rows * WIDTH }, (_, i) => Math.cos(i)) };
  return async () => (await program.run({ feeds, repeat: 4 })).y;
}

/** Many short operations: the shipped model decodes. */
async function decoding(model: HyperT5): Promise<Work> {
  return async () => (await model.generateDetailed([QUERY], { minNewTokens: 32, maxNewTokens: 32 }))[0].ids;
}

/** Two threads against one: runs over time, taken in short turns, so that what else the machine does meets both. */
async function compare(work: Work, turns: number): Promise<number> {
  const runs = [0, 0], milliseconds = [0, 0];
  for (let turn = 0; turn < 2 * turns; turn++) {
    const i = turn % 2;
    cpuSettings({ threads: 1 + i });
    const begun = performance.now();
    do {
      await work();
      runs[i]++;
    } while (performance.now() - begun < TURN_MS);
    milliseconds[i] += performance.now() - begun;
  }
  return runs[1] / milliseconds[1] / (runs[0] / milliseconds[0]);
}

async function run(size: number): Promise<Figure[]> {
  const [first, second] = allowedCpus();
  execFileSync('taskset', ['-a', '-c', '-p', `${first},${second}`, String(process.pid)], { stdio: 'ignore' });
  const engine = Engine.open({ device: 'cpu' });
  const model = await HyperT5.load(TINY, { device: 'cpu' });
  const works: [string, Work][] = [['one row', await layers(engine, 1)], ['64 rows', await layers(engine, 64)], ['weights/tiny', await decoding(model)]];
  const turns = scaled(TURNS, size);
  const figures: Figure[] = [];
  for (const [name, work] of works) figures.push({ what: `${name}, both CPUs free: two threads to one`, value: await compare(work, turns), unit: '' });
  const other = spawn('taskset', ['-c', String(second), process.execPath, '-e', 'console.log("busy"); for (;;);'], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(other.stdout, 'data');
  let different = 0;
  for (const [name, work] of works) {
    figures.push({ what: `${name}, one CPU busy: two threads to one`, value: await compare(work, turns), unit: '', least: 0.9 });
    cpuSettings({ threads: 1 });
    const alone = String(await work());
    for (let k = 0; k < turns; k++) {
      cpuSettings({ threads: 1 + (k % 3) });
      if (String(await work()) !== alone) different++;
    }
  }
  other.kill();
  await Promise.all([engine.dispose(), model.dispose()]);
  return [...figures, { what: 'results that depend on the number of threads', value: different, unit: '', most: 0 }];
}

/** CPUs that this process may run on. */
function allowedCpus(): number[] {
  const list = execFileSync('taskset', ['-c', '-p', String(process.pid)], { encoding: 'utf8' }).split(': ')[1].trim();
  const cpus = list.split(',').flatMap((part) => {
    const [from, to = from] = part.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
  if (cpus.length < 2) throw new Error('two CPUs are needed');
  return cpus;
}

export const busy: Suite = { title: 'two threads beside a busy CPU, against one', run };
