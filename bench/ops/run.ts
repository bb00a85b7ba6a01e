// Ops on the CUDA device against PyTorch: the same shapes and types, random data, in turns within one run (A B A B).
//
//   npx tsx bench/ops/run.ts --bench device_bench --library hypertune_cuda.so [--peer python] [--peer-device cuda] [--tiny] [--filter TEXT] [--rounds 3] [--runs 10]
//                            [--json result.json]
//
// What ops compute is checked elsewhere (device_case_runner); here only time is measured.
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median } from '../figures.ts';
import { PeerProcess } from '../peer.ts';
import { comparisons } from './comparisons.ts';

const { values } = parseArgs({
  options: {
    bench: { type: 'string' }, library: { type: 'string' }, peer: { type: 'string' }, 'peer-device': { type: 'string', default: 'cuda' }, tiny: { type: 'boolean', default: false }, filter: { type: 'string', default: '' },
    rounds: { type: 'string', default: '3' }, runs: { type: 'string', default: '10' }, json: { type: 'string' },
  },
});
if (!values.bench || !values.library) throw new Error('--bench and --library are needed.');

interface Timing {
  seconds: number;
  GBps?: number;
  TFLOPs?: number;
  failed?: boolean;
}
export interface OpRow {
  name: string;
  microseconds: number;
  GBps: number;
  TFLOPs: number;
  /** Its time in microseconds, and divided by ours. */
  peers: Record<string, { microseconds: number; ratio: number }>;
}

const ours = await PeerProcess.open(values.bench, ['--library', values.library, '-', '--runs', values.runs], 1);
const peer = values.peer ? await PeerProcess.start(values.peer, fileURLToPath(new URL('peer.py', import.meta.url)), [values['peer-device'], values.runs], 1) : undefined;
const versions = await peer?.answer();
const results: OpRow[] = [];
const failed: string[] = [];
for (const { name, ours: line, peers } of comparisons(values.tiny).filter((c) => c.name.includes(values.filter))) {
  const mine: Timing[] = [];
  const theirs = new Map<string, number[]>();
  for (let round = 0; round < Number(values.rounds); round++) {
    mine.push((await ours.ask(line)) as Timing);
    if (mine[0].failed) break;
    for (const [label, sizes] of peer ? Object.entries(peers) : []) {
      const { seconds } = (await peer!.ask(JSON.stringify(sizes))) as Timing;
      theirs.set(label, [...(theirs.get(label) ?? []), seconds]);
    }
  }
  if (mine[0].failed) {
    failed.push(name);
    continue;
  }
  const seconds = median(mine.map((t) => t.seconds));
  const peersOf = [...theirs].map(([label, list]) => [label, { microseconds: median(list) * 1e6, ratio: median(list.map((t, i) => t / mine[i].seconds)) }] as const);
  const row: OpRow = { name, microseconds: seconds * 1e6, GBps: median(mine.map((t) => t.GBps!)), TFLOPs: median(mine.map((t) => t.TFLOPs!)), peers: Object.fromEntries(peersOf) };
  results.push(row);
  if (values.json) await writeFile(values.json, JSON.stringify({ versions, results }));
  console.log(`${name}: ${row.microseconds.toFixed(1)} us, ${row.GBps.toFixed(0)} GB/s, ${row.TFLOPs.toFixed(1)} TFLOP/s${peersOf.map(([label, p]) => `; ${label} ${p.microseconds.toFixed(1)} us, ${p.ratio.toFixed(2)}x`).join('')}`);
}
await ours.stop();
await peer?.stop();
if (failed.length) throw new Error(`failed: ${failed.join(', ')}`);
