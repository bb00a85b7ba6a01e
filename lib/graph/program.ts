/** A compiled graph: checked once, then run any number of times with other sizes and feeds. */
import type { CompiledProgram, Engine, HostArray } from '../engine/engine.ts';
import { HypertuneError } from '../engine/errors.ts';
import { elementsAt, formatShape } from './dims.ts';
import type { Graph } from './graph.ts';
import type { Node, Value } from './node.ts';
import type { Encoded } from './words.ts';
import { encode } from './words.ts';

/** What a program asks of an engine. */
export type ProgramEngine = Pick<Engine, 'device' | 'compile' | 'run'>;

export interface CompileOptions<F extends string> {
  /** Values to return, under these names. */
  fetches: Readonly<Record<F, Value>>;
  /** i32 [1]: a repeated run ends after the step in which it is not 0. */
  stop?: Value;
  /** Every value keeps its own storage, so that all of them can be fetched (diff). */
  keepAll?: boolean;
}

export interface RunInputs {
  /** Values of the symbols, 0 to their capacity. */
  symbols?: Readonly<Record<string, number>>;
  /** f32 and bf16 feeds: Float32Array (on the reference device also Float64Array); i32: Int32Array. */
  feeds?: Readonly<Record<string, HostArray>>;
  /** Replays of the program in this one call; each fetch then holds steps times its elements. */
  repeat?: number;
  signal?: AbortSignal;
}

/** Fetched values (floats as Float32Array, on the reference device Float64Array) and the number of steps that ran. */
export type RunResult<F extends string> = Record<F, HostArray> & { readonly steps: number };

/**
 * Compiles the nodes that `fetches`, `stop` and effects (ops that write buffers) need; the rest is left out.
 * Throws GRAPH_INVALID naming node and operand, MEMORY_LIMIT where the arena does not fit.
 */
export function compile<F extends string>(engine: ProgramEngine, graph: Graph, options: CompileOptions<F>): Program<F> {
  const names = Object.keys(options.fetches) as F[];
  for (const name of names) {
    if ((name as string) === 'steps') throw new HypertuneError('GRAPH_INVALID', "a fetch cannot be named 'steps'.", { field: 'steps' });
    requireOwn(graph, options.fetches[name], `fetch ${name}`);
  }
  if (options.stop) {
    requireOwn(graph, options.stop, 'stop');
    const { dtype, shape } = options.stop;
    if (dtype !== 'i32' || shape.length !== 1 || shape[0] !== 1) throw new HypertuneError('GRAPH_INVALID', `stop is ${options.stop}, not i32 [1].`, { field: 'stop' });
  }
  const encoded = encode(graph, names.map((name) => options.fetches[name]), options.stop, options.keepAll ?? false);
  const compiled = named(encoded, () => engine.compile(encoded.words, encoded.buffers));
  return new Program(engine, graph, encoded, compiled, names);
}

export class Program<F extends string = string> {
  /** Names of the feeds a run must give; feeds that only left-out nodes read are not among them. */
  readonly feeds: readonly string[];
  readonly symbols: readonly string[];
  /** Nodes that run, in order. */
  readonly nodes: readonly Node[];
  /** Bytes of all intermediates at capacity. */
  readonly arenaBytes: number;
  private readonly engine: ProgramEngine;
  private readonly graph: Graph;
  private readonly encoded: Encoded;
  private compiled: CompiledProgram | undefined;
  private readonly fetches: readonly F[];

  /** Use `compile`. */
  constructor(engine: ProgramEngine, graph: Graph, encoded: Encoded, compiled: CompiledProgram, fetches: readonly F[]) {
    this.engine = engine;
    this.graph = graph;
    this.encoded = encoded;
    this.compiled = compiled;
    this.fetches = fetches;
    this.feeds = encoded.feeds.map((v) => v.name);
    this.symbols = encoded.symbols.map((s) => s.name);
    this.nodes = encoded.nodes;
    this.arenaBytes = compiled.arenaBytes;
  }

  /**
   * Throws FEED_INVALID for a missing, unknown, wrongly typed or wrongly sized feed or symbol, FEED_RANGE for an index
   * outside its range, ABORTED, HANDLE_CLOSED. Feeds and symbols of the graph that this program does not need are ignored.
   */
  async run({ symbols = {}, feeds = {}, repeat, signal }: RunInputs = {}): Promise<RunResult<F>> {
    if (!this.compiled) throw new HypertuneError('HANDLE_CLOSED', 'The program has been disposed.');
    const sizes = this.bindSymbols(symbols);
    const data = this.orderFeeds(feeds, symbols);
    const { fetches, steps } = await named(this.encoded, () => this.engine.run(this.compiled!, sizes, data, { repeat, signal }));
    return Object.fromEntries([...this.fetches.map((name, i) => [name, fetches[i]]), ['steps', steps]]) as RunResult<F>;
  }

  /** Frees the compiled program; buffers stay. Idempotent. */
  dispose(): void {
    this.compiled?.dispose();
    this.compiled = undefined;
  }

  private bindSymbols(given: Readonly<Record<string, number>>): Int32Array {
    for (const name of Object.keys(given)) if (!this.graph.symbols.has(name)) invalid(`symbol ${name}`, `the graph has no such symbol; it has ${list(this.graph.symbols.keys())}.`);
    return Int32Array.from(this.encoded.symbols, ({ name, capacity }) => {
      const value = given[name];
      if (value === undefined) invalid(`symbol ${name}`, 'is missing.');
      if (!Number.isInteger(value) || value < 0 || value > capacity) invalid(`symbol ${name}`, `${value} is not an integer in [0, ${capacity}].`);
      return value;
    });
  }

  private orderFeeds(given: Readonly<Record<string, HostArray>>, symbols: Readonly<Record<string, number>>): HostArray[] {
    for (const name of Object.keys(given)) if (!this.graph.feeds.has(name)) invalid(`feed ${name}`, `the graph has no such feed; it has ${list(this.graph.feeds.keys())}.`);
    return this.encoded.feeds.map((value) => {
      const data = given[value.name];
      const at = `feed ${value.name}`;
      if (data === undefined) invalid(at, `is missing (${value.dtype} ${formatShape(value.shape)}).`);
      const wide = value.dtype !== 'i32' && this.engine.device === 'reference' && data instanceof Float64Array;
      const type = value.dtype === 'i32' ? Int32Array : Float32Array;
      if (!wide && !(data instanceof type)) invalid(at, `is ${value.dtype}, so it must be ${type.name}, not ${className(data)}.`);
      const need = elementsAt(value.shape, (symbol) => symbols[symbol.name]);
      if (data.length !== need) invalid(at, `has ${data.length} elements, ${formatShape(value.shape)} needs ${need}.`);
      return data;
    });
  }
}

const list = (names: Iterable<string>) => [...names].join(', ') || 'none';
const className = (x: unknown) => (x as object | null)?.constructor?.name ?? String(x);

function invalid(field: string, message: string): never {
  throw new HypertuneError('FEED_INVALID', `${field}: ${message}`, { field });
}

function requireOwn(graph: Graph, value: Value | undefined, field: string): void {
  if (!value || value.graph !== graph) throw new HypertuneError('GRAPH_INVALID', `${field}: ${value ? `${value.name} belongs to another graph` : 'is not a value'}.`, { field });
}

/** The engine knows nodes, feeds and buffers by their positions: puts names into its messages. Works for promises too. */
function named<T>(encoded: Encoded, call: () => T): T {
  const rename = (error: unknown): never => {
    if (!(error instanceof HypertuneError)) throw error;
    const text = (message: string) => withNames(encoded, message);
    const { code, field, remedy } = error;
    const message = remedy && error.message.endsWith(` ${remedy}`) ? error.message.slice(0, -remedy.length - 1) : error.message;
    throw new HypertuneError(code, text(message), { field: field && text(field), remedy, cause: error });
  };
  try {
    const result = call();
    return result instanceof Promise ? (result.catch(rename) as T) : result;
  } catch (error) {
    return rename(error);
  }
}

function withNames({ nodes, feeds, buffers }: Encoded, message: string): string {
  return message
    .replace(/\bnode (\d+) \((\w+)\)/g, (all, i: string, op: string) => (nodes[Number(i)] ? `${op} '${nodes[Number(i)].name}'` : all))
    .replace(/\bfeed (\d+)\b/g, (all, i: string) => (feeds[Number(i)] ? `feed ${feeds[Number(i)].name}` : all))
    .replace(/\bbuffer (\d+)\b/g, (all, i: string) => (buffers[Number(i)]?.name ? `buffer ${buffers[Number(i)].name}` : all));
}
