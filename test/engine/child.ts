// What test/engine/processes.test.ts runs as a process or worker of its own:
//   child.ts <mode>   run: one program, then an orderly end; the others end while a run that never finishes is under way.
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Engine, type DeviceName } from '../../lib/engine/engine.ts';
import { Graph, add, compile, linear, sum } from '../../lib/graph/index.ts';

const mode = isMainThread ? process.argv[2] : (workerData as string);
const say = (text: string) => (parentPort ? parentPort.postMessage(text) : process.stdout.write(`${text}\n`));

const device = (process.env.TEST_DEVICE ?? 'cpu') as DeviceName;
const engine = Engine.open({ device });
const g = new Graph();
const x = g.feed('x', 'f32', [64, 64]);
let y = x;
for (let i = 0; i < (device === 'cpu' ? 50 : 1); ++i) y = add(g, { a: linear(g, { x: y, w: x }), b: x });
const program = compile(engine, g, { fetches: { total: sum(g, { x: y }) } });
const feeds = { x: new Float32Array(4096).fill(0.01) };

const { total } = await program.run({ feeds });
if (mode === 'run') {
  say(`total ${total[0]}`);
  await engine.dispose();
} else {
  const short = program.run({ feeds });
  void program.run({ feeds, repeat: 1 << 20 });
  await short; // the engine's thread has come to the endless run
  say('running');
  if (mode === 'exit') process.exit(3);
  if (mode === 'throw') throw new Error('on purpose');
  if (mode === 'reject') void Promise.reject(new Error('on purpose'));
  // 'wait': the endless run keeps the process alive until a signal or terminate() ends it.
}
