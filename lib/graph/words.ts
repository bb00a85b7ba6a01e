/** Graph -> command buffer, the int32 words that the native engine compiles (native/engine/command_buffer.h). */
import { DTYPE_CODES } from '../engine/engine.ts';
import type { DeviceBuffer } from '../engine/engine.ts';
import type { Size, SizeSymbol } from './dims.ts';
import { Dim } from './dims.ts';
import type { Graph } from './graph.ts';
import type { Attr, Node, Value } from './node.ts';
import { OPS, OP_TABLE_VERSION } from './ops.gen.ts';
import type { AttrSchema, OperandSchema } from './schema.ts';
import { MAX_RANK } from './shapes.ts';

const MAGIC = 0x48545031;
const KIND_CODE = { buffer: 0, feed: 1, computed: 2 };

export interface Encoded {
  words: Int32Array;
  /** In the order of their indices in the words. */
  buffers: DeviceBuffer[];
  symbols: SizeSymbol[];
  feeds: Value[];
  nodes: Node[];
}

/** The nodes that `roots` or an effect need, in the order they were built. */
export function liveNodes(graph: Graph, roots: Iterable<Value>): Node[] {
  const live = new Set<Node>();
  const visit = (value: Value | undefined) => value?.producer && live.add(value.producer);
  for (const root of roots) visit(root);
  const order: Node[] = [];
  for (let i = graph.nodes.length - 1; i >= 0; --i) {
    const node = graph.nodes[i];
    if (!live.has(node) && !OPS[node.op].inputs.some((o) => o.writes)) continue;
    order.push(node);
    for (const list of node.inputs.values()) list.forEach(visit);
  }
  return order.reverse();
}

export function encode(graph: Graph, fetches: readonly Value[], stop: Value | undefined, keepAll: boolean): Encoded {
  const roots = stop ? [...fetches, stop] : fetches;
  const nodes = liveNodes(graph, roots);
  const read = new Set<Value>(roots);
  for (const node of nodes) for (const list of node.inputs.values()) for (const value of list) if (value) read.add(value);

  const table = new ValueTable();
  const body: number[] = [];
  for (const node of nodes) {
    const schema = OPS[node.op];
    const inputs = flatten(schema.inputs, node.inputs);
    const outputs = flatten(schema.outputs, node.outputs);
    body.push(schema.id, node.id, inputs.length, outputs.length, schema.attrs.length);
    for (const value of inputs) body.push(table.id(value));
    for (const value of outputs) body.push(table.id(value && (read.has(value) || !droppable(value)) ? value : undefined));
    for (const attr of schema.attrs) body.push(attrWord(attr, node.attrs[attr.name]));
  }
  const fetchIds = fetches.map((v) => table.id(v));
  const stopId = table.id(stop);

  const { symbols, values, words, buffers, feeds } = table;
  const head = [MAGIC, OP_TABLE_VERSION, symbols.length, values, nodes.length, fetches.length, stopId, keepAll ? 1 : 0, 0, 0, 0, 0];
  const all = new Int32Array(head.concat(symbols.map((s) => s.capacity), words, body, fetchIds));
  all[8] = all.length;
  return { words: all, buffers, symbols, feeds, nodes };
}

const droppable = ({ source }: Value) => source.kind === 'computed' && source.node.droppable.has(source.output);

/** Numbers values, buffers, feeds and symbols as they are met. */
class ValueTable {
  readonly words: number[] = [];
  readonly buffers: DeviceBuffer[] = [];
  readonly feeds: Value[] = [];
  readonly symbols: SizeSymbol[] = [];
  private readonly ids = new Map<Value, number>();
  private readonly bufferIds = new Map<DeviceBuffer, number>();

  get values(): number {
    return this.ids.size;
  }

  /** -1 for an absent value. */
  id(value: Value | undefined): number {
    if (!value) return -1;
    const known = this.ids.get(value);
    if (known !== undefined) return known;
    const id = this.ids.size;
    this.ids.set(value, id);
    this.words.push(KIND_CODE[value.source.kind], DTYPE_CODES[value.dtype], value.shape.length, this.index(value));
    for (let axis = 0; axis < MAX_RANK; ++axis) this.dimension(value.shape[axis] ?? 1);
    return id;
  }

  private index(value: Value): number {
    if (value.source.kind === 'computed') return -1;
    if (value.source.kind === 'feed') return this.feeds.push(value) - 1;
    const { buffer } = value.source;
    const known = this.bufferIds.get(buffer) ?? this.buffers.push(buffer) - 1;
    this.bufferIds.set(buffer, known);
    return known;
  }

  private dimension(size: Size): void {
    if (!(size instanceof Dim)) {
      this.words.push(0, -1, size);
      return;
    }
    const at = this.symbols.indexOf(size.symbol);
    this.words.push(size.coef, at >= 0 ? at : this.symbols.push(size.symbol) - 1, size.add);
  }
}

/** Single operands, then the group of each repetition. */
function flatten(operands: readonly OperandSchema[], lists: ReadonlyMap<string, readonly (Value | undefined)[]>): (Value | undefined)[] {
  const flat: (Value | undefined)[] = [];
  const group: (readonly (Value | undefined)[])[] = [];
  for (const { name, repeat } of operands) {
    const list = lists.get(name)!;
    if (repeat) group.push(list);
    else flat.push(list[0]);
  }
  const repetitions = group[0]?.length ?? 0;
  for (let i = 0; i < repetitions; ++i) for (const list of group) flat.push(list[i]);
  return flat;
}

const bits = new DataView(new ArrayBuffer(4));

function attrWord(schema: AttrSchema, value: Attr): number {
  if (typeof value === 'string') return DTYPE_CODES[value];
  if (schema.type === 'int') return value;
  bits.setFloat32(0, value);
  return bits.getInt32(0);
}
