/** From what the benches measured to the figures that targets.ts names: percent of a floor, how many times as long the peer takes, `a/b` how long a takes by b. */
import type { HyperRow } from '../hyper/run.ts';
import type { ModelRow } from '../model/run.ts';
import type { OpRow } from '../ops/run.ts';
import type { Ceilings } from '../floors.ts';
import { H200, floorOf } from '../floors.ts';
import type { StepKernels } from './step-kernels.ts';

/** What a run of gpu-check measured; a part is absent where its step failed. */
export interface Measured {
  /** As cuda_ceilings prints them. */
  ceilings?: { ceiling: string; value: number; unit: string }[];
  ops?: OpRow[];
  model?: ModelRow[];
  generate?: HyperRow[];
  training?: HyperRow[];
  kernels?: StepKernels[];
}

/** Of the device if they were measured, else of an H200. */
export function ceilingsOf({ ceilings = [] }: Measured): Ceilings {
  const value = (test: (name: string) => boolean) => Math.max(0, ...ceilings.filter(({ ceiling }) => test(ceiling)).map((c) => c.value));
  return { flops: value((name) => name.includes('GEMM')) * 1e12 || H200.flops, bandwidth: value((name) => name === 'device copy') * 1e9 || H200.bandwidth };
}

export function figuresOf(measured: Measured): Record<string, number> {
  const ceilings = ceilingsOf(measured);
  const out: Record<string, number> = {};
  const share = (work: { flops: number; bytes: number }, milliseconds: number) => (100 * floorOf(work, ceilings)) / (milliseconds / 1e3);
  const time = new Map<string, number>();
  for (const row of measured.model ?? []) {
    const name = `${row.kind}.${row.size}.${row.rows}`;
    time.set(`${name}.${row.adapter}`, row.milliseconds);
    if (row.adapter !== 'none') continue;
    out[`${name}.floor`] = share(row, row.milliseconds);
    out[`${name}.busy`] = 100 * row.busy;
    for (const [way, { ratio }] of Object.entries(row.peers)) out[`${name}.${way}`] = ratio;
  }
  for (const [name, milliseconds] of time) {
    if (!name.endsWith('.lora')) continue;
    for (const other of ['none', 'shared']) out[`${name}/${other}`] = milliseconds / time.get(name.replace(/lora$/, other))!;
  }
  for (const row of [...(measured.generate ?? []), ...(measured.training ?? [])]) {
    const name = `${row.kind}.${row.size}`;
    out[`${name}.floor`] = share(row, row.milliseconds);
    if (row.peer) out[`${name}.eager`] = row.peer.ratio;
  }
  const ops = measured.ops ?? [];
  for (const { name, peers } of ops) for (const [peer, { ratio }] of Object.entries(peers)) out[`${name}.${peer}`] = ratio;
  const lora = ops.filter(({ name }) => /^lora /.test(name));
  // The worst width counts.
  if (lora.some(({ peers }) => peers.plain)) out['lora.plain'] = Math.max(...lora.map(({ peers }) => 1 / peers.plain.ratio));
  if (lora.some(({ peers }) => peers.unfused)) out['lora.unfused'] = Math.min(...lora.map(({ peers }) => peers.unfused.ratio));
  for (const { adapter, rows, layer } of measured.kernels ?? []) out[`kernels.${adapter}.${rows}`] = layer.length;
  return out;
}
