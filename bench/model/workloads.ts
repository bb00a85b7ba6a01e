/** The workloads of the model bench, on our engine. Inputs are the same on both sides: a formula instead of a file. */
import { Random } from '../../lib/data/random.ts';
import type { DeviceName } from '../../lib/engine/engine.ts';
import { Engine } from '../../lib/engine/engine.ts';
import { loadT5, saveT5 } from '../../lib/files/load-t5.ts';
import type { T5Config } from '../../lib/t5/config.ts';
import { Graph, compile, gatherRows } from '../../lib/graph/index.ts';
import type { Program } from '../../lib/graph/index.ts';
import { T5Decoder } from '../../lib/t5/decoding/index.ts';
import type { Parameters, WeightType } from '../../lib/t5/parameters.ts';
import { allocateT5 } from '../../lib/t5/parameters.ts';
import { T5Stack } from '../../lib/t5/stack.ts';
import { initializeT5 } from '../../lib/train/init.ts';
import type { AdapterKind, RowAdapters } from '../adapters.ts';
import { PREFIX, RANK, openAdapters } from '../adapters.ts';
import { clocked } from '../figures.ts';
import type { Work } from '../floors.ts';
import { decodeWork, encodeWork } from '../floors.ts';
import type { SizeName } from '../sizes.ts';
import { configOf } from '../sizes.ts';

export interface Workload {
  kind: 'encode' | 'decode';
  rows: number;
  /** Input tokens of every row. */
  length: number;
  /** Decode: the time of a step is that of `steps` generated tokens less that of `shortSteps`, per token. */
  steps: number;
  shortSteps: number;
  adapter: AdapterKind;
}

/** A folder of random weights as Hugging Face writes it. */
export async function writeModel(folder: string, size: SizeName, dtype: WeightType): Promise<T5Config> {
  const config = configOf(size);
  const engine = Engine.open({ device: 'cpu' });
  const parameters = allocateT5(engine, config, 'f32', false);
  await initializeT5(parameters, config, Random.stream(1, 'bench', size));
  await saveT5(folder, config, parameters, dtype === 'bf16' ? 'BF16' : 'F32');
  await engine.dispose();
  return config;
}

/** Ids from 2 on: neither padding nor the end. peer.py has the same formula. */
export function inputs({ rows, length }: Pick<Workload, 'rows' | 'length'>, vocabulary: number): Int32Array[] {
  return Array.from({ length: rows }, (_, r) => Int32Array.from({ length }, (_, i) => 2 + ((r * 131 + i * 17 + 7) % (vocabulary - 2))));
}

/** What a workload gave, in numbers that both sides can compare: the first states of the last row, or its tokens. */
export interface Outcome {
  seconds: number;
  check: number[];
  /** Share of the time in which the thread of JavaScript was busy. */
  busy?: number;
}

export class Subject {
  private readonly engine: Engine;
  private readonly config: T5Config;
  private readonly parameters: Parameters;
  private readonly opened = new Map<string, Promise<RowAdapters & { decoder: T5Decoder }>>();
  private readonly encoders = new Map<string, Program<'last'>>();

  private constructor(engine: Engine, config: T5Config, parameters: Parameters) {
    this.engine = engine;
    this.config = config;
    this.parameters = parameters;
  }

  static async open(folder: string, device: DeviceName, dtype: WeightType): Promise<Subject> {
    const engine = Engine.open({ device });
    const { config, parameters } = await loadT5(engine, folder, { dtype });
    return new Subject(engine, config, parameters);
  }

  get device(): string {
    return this.engine.info().device;
  }

  /** Of weights, caches and arenas. */
  get bytes(): number {
    return this.engine.usage();
  }

  async run(work: Workload): Promise<Outcome> {
    const rows = inputs(work, this.config.vocabSize);
    if (work.kind === 'encode') return this.encode(work, rows);
    const { decoder, slots } = await this.decoder(work);
    const generate = (steps: number) => timed(this.device, () => decoder.generate(rows, { maxNewTokens: steps, minNewTokens: steps, slots }));
    const short = await generate(work.shortSteps);
    const long = await generate(work.steps);
    const seconds = long.seconds - short.seconds;
    return { seconds: seconds / (work.steps - work.shortSteps), check: [...long.value.sequences.at(-1)!], busy: (long.busy - short.busy) / seconds };
  }

  async close(): Promise<void> {
    for (const { decoder } of await Promise.all(this.opened.values())) await decoder.dispose();
    for (const program of this.encoders.values()) program.dispose();
    await this.engine.dispose();
  }

  /** Only the last token's states leave the device, as in peer.py. */
  private async encode({ rows, length }: Workload, ids: readonly Int32Array[]): Promise<Outcome> {
    const key = `${rows} ${length}`;
    const program = this.encoders.get(key) ?? this.encoder(rows, rows * length);
    this.encoders.set(key, program);
    const feeds = { ids: Int32Array.from(ids.flatMap((row) => [...row])), offsets: Int32Array.from({ length: rows + 1 }, (_, r) => r * length), last: Int32Array.of(rows * length - 1) };
    const { seconds, busy, value } = await timed(this.device, () => program.run({ symbols: { T: rows * length, E: rows }, feeds }));
    return { seconds, check: [...value.last].slice(0, 8), busy: busy / seconds };
  }

  private encoder(rows: number, tokens: number): Program<'last'> {
    const g = new Graph();
    const stack = new T5Stack(g, this.config, this.parameters);
    const offsets = g.feed('offsets', 'i32', [g.symbol('E', rows).plus(1)]);
    const states = stack.encode(stack.embed(g.feed('ids', 'i32', [g.symbol('T', tokens)])), { offsets });
    return compile(this.engine, g, { fetches: { last: gatherRows(g, { x: states, index: g.feed('last', 'i32', [1]) }) } });
  }

  private decoder({ adapter, rows }: Workload): Promise<RowAdapters & { decoder: T5Decoder }> {
    const key = adapter === 'none' ? adapter : `${adapter} ${rows}`;
    const open = async () => {
      const own = await openAdapters(this.engine, this.config, adapter, rows);
      return { ...own, decoder: new T5Decoder(this.engine, this.config, this.parameters, own.adaptation) };
    };
    const opened = this.opened.get(key) ?? open();
    this.opened.set(key, opened);
    return opened;
  }
}

/** `busy`: seconds. */
async function timed<T>(device: string, f: () => Promise<T>): Promise<{ seconds: number; busy: number; value: T }> {
  const before = performance.eventLoopUtilization();
  const { seconds, value } = await clocked(f, device);
  return { seconds, busy: performance.eventLoopUtilization(before).active / 1e3, value };
}

/** The floor of a run: of decoding, at its middle step. */
export function workOf(config: T5Config, { kind, rows, length, steps, adapter }: Workload, dtype: WeightType): Work {
  const width = ({ f32: 4, bf16: 2, int8: 1 } as const)[dtype];
  if (kind === 'encode') return encodeWork(config, { rows, length }, width);
  return decodeWork(config, { rows, length, step: steps / 2, prefix: adapter === 'prefix' ? PREFIX : 0, rank: adapter === 'lora' ? RANK : 0 }, width);
}
