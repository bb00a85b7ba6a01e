/** What benches find out, in one form: a figure, and how it stands to peers or to what the machine can do at best, measured in the same run. */
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import os from 'node:os';
import { cpuSettings } from '../lib/engine/engine.ts';

export interface Figure {
  /** Suite, workload, size, type, ...: `decode/base/bf16/1`. */
  id: string;
  value: number;
  unit: 'ms' | 'MB';
  /** A peer: its time divided by ours, 2 being twice as fast. A ceiling: the share of it that we reach. */
  ratios?: Record<string, number>;
}

/** What a run was made on. */
export function machine() {
  const { isa, threads } = cpuSettings();
  return { cpu: os.cpus()[0]?.model ?? 'unknown', cores: os.availableParallelism(), isa, threads, node: process.version, load: os.loadavg()[0], commit: commit(), date: new Date().toISOString() };
}

/** Prints a line for each figure; `--json`: and keeps them. */
export async function conclude(figures: readonly Figure[], json: string | undefined, peers?: unknown): Promise<void> {
  for (const figure of figures) console.log(line(figure));
  if (json) await writeFile(json, `${JSON.stringify({ machine: machine(), peers, results: figures }, null, 1)}\n`);
}

function line({ id, value, unit, ratios = {} }: Figure): string {
  const against = Object.entries(ratios).map(([name, ratio]) => `${name} ${ratio.toFixed(ratio < 10 ? 2 : 1)}`);
  return `${id.padEnd(44)} ${value.toPrecision(4).padStart(10)} ${unit.padEnd(8)} ${against.join(', ')}`.trimEnd();
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Seconds that f takes: with one thread its time on the CPU, which a machine in use changes little, else by the clock. Not for other devices. */
export async function seconds(f: () => Promise<unknown>): Promise<number> {
  return (await clocked(f)).seconds;
}

export async function clocked<T>(f: () => Promise<T>, device = 'cpu'): Promise<{ seconds: number; value: T }> {
  const [start, used] = [performance.now(), process.cpuUsage()];
  const value = await f();
  const { user, system } = process.cpuUsage(used);
  return { seconds: device === 'cpu' && cpuSettings().threads === 1 ? (user + system) / 1e6 : (performance.now() - start) / 1e3, value };
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return 'unknown';
  }
}
