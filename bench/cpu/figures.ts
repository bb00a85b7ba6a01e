/** From what the suites measured to the figures that targets.ts names. */
import type { Figure } from '../figures.ts';
import type { HyperRow } from '../hyper/run.ts';
import type { ModelRow } from '../model/run.ts';

/** By suite; one that failed is absent. */
export interface Measured {
  /** On one thread and on two. */
  gemm?: NativeRow[];
  gemm2?: NativeRow[];
  ops?: NativeRow[];
  model?: ModelRow[];
  /** Of one row on two threads. */
  model2?: ModelRow[];
  /** Of one row, at sizes that have no targets of their own. */
  sizes?: ModelRow[];
  /** Of rows with a LoRA each; the peer has PEFT's batches of several adapters. */
  mixed?: ModelRow[];
  generate?: HyperRow[];
  hypertuning?: { kind: string; lengths: string; jsShare: number; peer: { ratio: number; cpuRatio: number } | null }[];
  adapters?: Figure[];
  train?: Figure[];
  start?: Figure[];
  memory?: Figure[];
  threads?: { busy: { figures: { what: string; value: number }[] } };
}

export interface NativeRow {
  bench: string;
  name: string;
  dtype: string;
  /** Of a ceiling: threads. */
  rows: number;
  value: number;
  unit: string;
  /** Of the peak or the bandwidth measured in the same run. */
  share?: number;
}

export function figuresOf(measured: Measured): Record<string, number> {
  const out: Record<string, number> = {};
  const worst = (name: string, value: number, small = false) => (out[name] = name in out ? (small ? Math.max : Math.min)(out[name], value) : value);
  const bandwidth = (threads: number) => [...(measured.gemm ?? []), ...(measured.gemm2 ?? [])].find((row) => row.name === 'read' && row.rows === threads)?.value;
  for (const row of measured.gemm ?? []) if (row.bench === 'gemm' && row.rows >= 64) worst(`gemm.${row.dtype}.peak`, 100 * row.share!);
  for (const [name, rows, threads] of [['', measured.model, 1], ['2', measured.model2, 2], ['', measured.sizes, 1], ['-lora', measured.mixed, 1]] as const) {
    for (const row of rows ?? []) {
      const id = `${row.kind}${name}.${row.size}.${row.dtype}`;
      for (const [way, { ratio }] of Object.entries(row.peers)) worst(row.kind === 'encode' ? `${id}.${PEERS[way]}` : `${id}.${row.rows}.${PEERS[way]}`, ratio);
      const read = bandwidth(threads);
      if (row.kind === 'decode' && read) out[`${id}.${row.rows}.bandwidth`] = (100 * row.gigabytes) / read;
      if (threads === 1 && row.size !== 'tiny') worst('javascript', 100 * row.busy, true);
    }
  }
  for (const row of measured.generate ?? []) if (row.peer) out[`${row.kind}.${row.size}.${row.dtype}.PyTorch`] = row.peer.ratio;
  for (const row of measured.hypertuning ?? []) {
    if (row.peer) out[`hypertuning.${row.lengths}.${row.kind}.PyTorch`] = row.peer.cpuRatio;
    worst('javascript.training', 100 * row.jsShare, true);
  }
  for (const figure of measured.adapters ?? []) {
    const [, , dtype, rows, mixture] = figure.id.split('/');
    if (mixture === 'distinct') out[`lora.${dtype}.${rows}`] = 1 / figure.ratios!['no adapter'];
  }
  for (const figure of [...(measured.train ?? []), ...(measured.start ?? []), ...(measured.memory ?? [])]) {
    out[figure.id] = figure.value;
    for (const [name, ratio] of Object.entries(figure.ratios ?? {})) out[`${figure.id.replaceAll('/', '.')}.${name}`] = ratio;
  }
  for (const { what, value } of measured.threads?.busy.figures ?? []) if (what.includes('one CPU busy')) worst('threads.busy', value);
  return out;
}

const PEERS: Readonly<Record<string, string>> = { eager: 'PyTorch', compiled: 'PyTorch compiled', ctranslate2: 'CTranslate2' };
