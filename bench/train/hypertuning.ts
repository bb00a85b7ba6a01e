// Throughput of training steps, and of the same steps in padded PyTorch.
//
//   npx tsx bench/train/hypertuning.ts [--config run.json] [--kinds prefix,lora,text] [--lengths config,public,full] [--steps 10] [--rounds 3]
//                                      [--threads 1] [--peer python] [--json result.json]
//
// `--config`: a run configuration, of which the T5, the data and the sizes are taken; default: tiny.json, which has weights/tiny and
// generated tasks. prefix and lora train a hypermodel through the frozen T5 on the part of kind episodes, text trains the T5.
// `--lengths`: the episodes of the configuration; rows as long as those of public tasks; rows as long as the windows (lengths.ts). Default: config.
// `--peer`: a Python with the packages of test/goldens/requirements.txt. It gets the same weights and batches, must find the same
// losses, and takes turns with us in one run, so that both have the same load beside them.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cpuSettings } from '../../lib/engine/engine.ts';
import type { TrainingStep } from '../../lib/train/loop.ts';
import { readRunConfig } from '../../lib/train/run/config.ts';
import type { RunConfig } from '../../lib/train/run/config.ts';
import { machine as host, median } from '../figures.ts';
import { JOB_KINDS, openJob, writeJob } from './job.ts';
import type { Job, JobKind } from './job.ts';
import { LENGTHS, withLengths } from './lengths.ts';
import type { Lengths } from './lengths.ts';
import { Peer } from './peer.ts';
import type { PeerSettings, PeerSteps } from './peer.ts';

/** Steps in which both sides must agree. */
const CHECKED = 3;
/** Untimed at the start of every round: caches are cold, and our batches were built during the peer's turn. */
const WARM = 2;
/** Of the first loss, which hangs on the forward pass alone; and of what rounding in an update's signs adds behind it. */
const TOLERANCE = { first: 1e-4, later: 1e-3 };

interface Result {
  kind: JobKind;
  lengths: Lengths;
  /** Medians over steps. Tokens are those of all inputs, without padding; time of the CPU is that of all threads, building batches included. */
  milliseconds: number;
  cpuMilliseconds: number;
  tokensPerSecond: number;
  answerTokensPerSecond: number;
  /** Real tokens among those of batches padded to their longest rows. */
  realShare: number;
  /** Share of the time in which there was no batch to run. */
  waitShare: number;
  /** Share of the time in which the thread of JavaScript was busy, building batches included; in the last round, as its first batches run uncompiled. */
  jsShare: number;
  peer: PeerResult | null;
}

interface PeerResult extends PeerSettings {
  milliseconds: number;
  cpuMilliseconds: number;
  tokensPerSecond: number;
  /** Median over the rounds of the peer's time divided by ours; the same by time of the CPU, which the load beside us hardly moves. */
  ratio: number;
  ratios: number[];
  cpuRatio: number;
}

/** A step of ours. */
interface Timed extends TrainingStep {
  cpuSeconds: number;
  busySeconds: number;
}

const { values: args } = parseArgs({
  options: {
    config: { type: 'string', default: fileURLToPath(new URL('tiny.json', import.meta.url)) }, kinds: { type: 'string', default: JOB_KINDS.join(',') },
    lengths: { type: 'string', default: 'config' },
    steps: { type: 'string', default: '10' }, rounds: { type: 'string', default: '3' }, threads: { type: 'string', default: '1' }, peer: { type: 'string' }, json: { type: 'string' },
  },
});
const [steps, rounds, threads] = (['steps', 'rounds', 'threads'] as const).map((name) => {
  const value = Number(args[name]);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} is ${args[name]}, not a positive integer.`);
  return value;
});
const chosen = <T extends string>(option: 'kinds' | 'lengths', names: readonly T[]): T[] => args[option].split(',').map((name) => {
  const found = names.find((n) => n === name);
  if (!found) throw new Error(`--${option}: ${name} is none of ${names.join(', ')}.`);
  return found;
});
const [kinds, lengths] = [chosen('kinds', JOB_KINDS), chosen('lengths', LENGTHS)];

const { isa } = cpuSettings({ threads });
const run = await readRunConfig(args.config);
const load = [os.loadavg()[0]];
const results: Result[] = [];
for (const kind of kinds) for (const length of kind === 'text' ? [lengths[0]] : lengths) results.push(await measure(run, kind, length));
load.push(os.loadavg()[0]);
const machine = { cpu: os.cpus()[0].model, cores: os.cpus().length, isa, threads, commit: host().commit, date: new Date().toISOString(), load };
print(machine, results);
if (args.json) await writeFile(args.json, `${JSON.stringify({ machine, steps, rounds, results }, null, 2)}\n`);

async function measure(config: RunConfig, kind: JobKind, length: Lengths): Promise<Result> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'hypertune-bench-'));
  let job: Job | undefined;
  let peer: Peer | undefined;
  try {
    job = await openJob(await withLengths(config, length, folder), kind, CHECKED + rounds * (WARM + steps));
    if (args.peer) {
      await writeJob(folder, job);
      peer = await Peer.start(args.peer, folder, threads);
    }
    return { kind, lengths: length, ...(await takeTurns(kind, job, peer)) };
  } finally {
    await peer?.stop();
    await job?.dispose();
    await rm(folder, { recursive: true });
  }
}

async function takeTurns(kind: JobKind, job: Job, peer: Peer | undefined): Promise<Omit<Result, 'kind' | 'lengths'>> {
  const first = await ours(job, CHECKED);
  if (peer) requireEqual(kind, first, await peer.run(0, CHECKED));
  const timed: Timed[] = [];
  const theirs: Pick<Timed, 'seconds' | 'cpuSeconds'>[] = [];
  const byRound: { ratio: number; cpuRatio: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    const own = (await ours(job, WARM + steps)).slice(WARM);
    timed.push(...own);
    if (!peer) continue;
    const { seconds, cpuSeconds } = await peer.run(own[0].step - WARM, WARM + steps);
    const other = seconds.map((s, i) => ({ seconds: s, cpuSeconds: cpuSeconds[i] })).slice(WARM);
    theirs.push(...other);
    byRound.push({ ratio: wall(other) / wall(own), cpuRatio: cpu(other) / cpu(own) });
  }
  const sum = (of: (s: Timed) => number, among = timed) => among.reduce((n, s) => n + of(s), 0);
  const last = timed.slice(-steps);
  const tokens = (s: Timed) => s.tokensPerSecond * s.seconds;
  return {
    milliseconds: 1000 * wall(timed), cpuMilliseconds: 1000 * cpu(timed), tokensPerSecond: median(timed.map((s) => s.tokensPerSecond)),
    answerTokensPerSecond: median(timed.map((s) => s.tokens / s.seconds)), realShare: sum(tokens) / sum((s) => tokens(s) / s.realShare),
    waitShare: sum((s) => s.waitSeconds) / sum((s) => s.seconds), jsShare: sum((s) => s.busySeconds, last) / sum((s) => s.seconds, last),
    peer: peer ? {
      ...peer.settings, milliseconds: 1000 * wall(theirs), cpuMilliseconds: 1000 * cpu(theirs), tokensPerSecond: median(theirs.map((t, i) => tokens(timed[i]) / t.seconds)),
      ratio: median(byRound.map((r) => r.ratio)), ratios: byRound.map((r) => r.ratio), cpuRatio: median(byRound.map((r) => r.cpuRatio)),
    } : null,
  };
}

function wall(list: readonly { seconds: number }[]): number {
  return median(list.map((s) => s.seconds));
}

function cpu(list: readonly { cpuSeconds: number }[]): number {
  return median(list.map((s) => s.cpuSeconds));
}

async function ours(job: Job, count: number): Promise<Timed[]> {
  const done: Timed[] = [];
  for (let i = 0; i < count; i++) {
    const [before, loop] = [process.cpuUsage(), performance.eventLoopUtilization()];
    const step = await job.next();
    const { user, system } = process.cpuUsage(before);
    done.push({ ...step, cpuSeconds: (user + system) / 1e6, busySeconds: performance.eventLoopUtilization(loop).active / 1e3 });
  }
  return done;
}

function requireEqual(kind: JobKind, own: readonly TrainingStep[], peer: PeerSteps): void {
  for (const [i, { loss, norm }] of own.entries()) {
    const off = (a: number, b: number) => Math.abs(a - b) / Math.abs(b);
    const tolerance = i === 0 ? TOLERANCE.first : TOLERANCE.later;
    if (off(loss, peer.loss[i]) <= tolerance && off(norm, peer.norm[i]) <= TOLERANCE.later) continue;
    throw new Error(`${kind}: the peer does not compute the same. Step ${i}: loss ${loss} here, ${peer.loss[i]} there; norm of the gradient ${norm}, ${peer.norm[i]}.`);
  }
}

function print({ cpu: name, isa: set, threads: count, load: [before, after] }: typeof machine, all: readonly Result[]): void {
  console.log(`${name}, ${set}, ${count} thread${count === 1 ? '' : 's'}; load ${before.toFixed(1)} to ${after.toFixed(1)}; medians of ${rounds} rounds of ${steps} steps`);
  const title = (r: { kind: JobKind; lengths: Lengths }) => `${r.kind}, ${r.lengths}`;
  console.table(Object.fromEntries(all.map((r) => [title(r), {
    'ms/step': Math.round(r.milliseconds), 'CPU ms/step': Math.round(r.cpuMilliseconds), 'tokens/s': Math.round(r.tokensPerSecond), 'answer tokens/s': Math.round(r.answerTokensPerSecond),
    'real tokens': percent(r.realShare), 'waiting for data': percent(r.waitShare),
  }])));
  const compared = all.flatMap(({ kind, lengths: length, peer }) => (peer ? [{ kind, lengths: length, ...peer }] : []));
  if (compared.length === 0) return;
  console.log(`PyTorch ${compared[0].torch}, transformers ${compared[0].transformers}: the same steps, padded; times as fast: its time / ours`);
  console.table(Object.fromEntries(compared.map((p) => [title(p), {
    'ms/step': Math.round(p.milliseconds), 'CPU ms/step': Math.round(p.cpuMilliseconds), 'real tokens/s': Math.round(p.tokensPerSecond),
    'times as fast': `${p.ratio.toFixed(2)} (${Math.min(...p.ratios).toFixed(2)} to ${Math.max(...p.ratios).toFixed(2)})`, 'by CPU time': p.cpuRatio.toFixed(2), attention: p.attention, AdamW: p.adamw,
  }])));
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
