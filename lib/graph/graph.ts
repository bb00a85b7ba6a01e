/**
 * A computation as data: symbols, values and nodes in execution order. Building checks every node against the op table;
 * nothing runs before `compile` (program.ts). The wrappers in ops/ are the usual way to add nodes.
 */
import type { DeviceBuffer } from '../engine/engine.ts';
import { HypertuneError } from '../engine/errors.ts';
import type { Shape, SizeSymbol } from './dims.ts';
import { Dim, capacityOf, elementsAt, formatShape, requireInteger, sameShape } from './dims.ts';
import type { Attr, Operand, Source, ValueType } from './node.ts';
import { Node, Value } from './node.ts';
import type { OpName } from './ops.gen.ts';
import { OPS } from './ops.gen.ts';
import type { OpSchema } from './schema.ts';
import type { Refuse } from './shapes.ts';
import { NodeShapes, checkSizes, label, refuseAt } from './shapes.ts';

export interface NodeOptions {
  /** Last part of the node's name in messages; the op's name when absent. */
  name?: string;
  /** Shapes of outputs that no operand fixes; for repeated outputs one list serves all. */
  shapes?: Readonly<Record<string, Shape>>;
}

export class Graph {
  readonly symbols = new Map<string, SizeSymbol>();
  readonly feeds = new Map<string, Value>();
  readonly nodes: Node[] = [];
  private readonly buffers = new Map<DeviceBuffer, Value[]>();
  private values = 0;
  private path = '';

  /** A size that every run binds, 0 to `capacity`. Asking again for the same name gives the same symbol. */
  symbol(name: string, capacity: number): Dim {
    requireInteger(capacity, 0, `capacity of symbol ${name}`);
    const known = this.symbols.get(name);
    if (known && known.capacity !== capacity)
      throw new HypertuneError('GRAPH_INVALID', `symbol ${name} exists with capacity ${known.capacity}, not ${capacity}.`, { field: name });
    const symbol = known ?? { name, capacity };
    this.symbols.set(name, symbol);
    return new Dim(1, symbol, 0);
  }

  /** A value that the caller gives to every run. */
  feed(name: string, dtype: ValueType, shape: Shape): Value {
    if (this.feeds.has(name)) throw new HypertuneError('GRAPH_INVALID', `feed ${name} is declared twice.`, { field: name });
    const value = this.declare(dtype, shape, name, { kind: 'feed' });
    this.feeds.set(name, value);
    return value;
  }

  /**
   * A persistent buffer (weights, state) seen as `shape`, which may be smaller than the buffer.
   * The same buffer and shape give the same value; the first name stays.
   */
  buffer(buffer: DeviceBuffer, shape: Shape, name?: string): Value {
    const seen = this.buffers.get(buffer) ?? [];
    const known = seen.find((v) => sameShape(v.shape, shape));
    if (known) return known;
    const label = name ?? (buffer.name || `buffer${this.buffers.size}`);
    const value = this.declare(buffer.dtype, shape, label, { kind: 'buffer', buffer });
    const need = elementsAt(shape, capacityOf);
    if (need > buffer.elements)
      throw new HypertuneError('GRAPH_INVALID', `buffer ${label} has ${buffer.elements} elements, ${formatShape(shape)} needs ${need}.`, { field: label });
    this.buffers.set(buffer, [...seen, value]);
    return value;
  }

  /** Names of nodes built inside `build` start with `name`: scopes nest to names like decoder.block.2.self. */
  scope<T>(name: string, build: () => T): T {
    const outer = this.path;
    this.path = outer ? `${outer}.${name}` : name;
    try {
      return build();
    } finally {
      this.path = outer;
    }
  }

  /**
   * Adds a node. Operands and attributes by their names in the op table; repeated operands are arrays, whose length is `n`.
   * Throws GRAPH_INVALID naming op, node and operand.
   */
  node(op: OpName, inputs: Readonly<Record<string, Operand>>, attrs: Readonly<Record<string, Attr>> = {}, options: NodeOptions = {}): Node {
    const schema = OPS[op];
    const last = options.name ?? op;
    const name = this.path ? `${this.path}.${last}` : last;
    const refuse = refuseAt(op, name);
    const checkedAttrs = checkAttrs(schema, inputs, attrs, refuse);
    const lists = this.operandLists(schema, inputs, checkedAttrs, refuse);
    const shapes = new NodeShapes(schema, lists, checkedAttrs, refuse);
    shapes.checkInputs();
    const node = new Node(op, this.nodes.length, name, lists, checkedAttrs);
    for (const given of Object.keys(options.shapes ?? {}))
      if (!schema.outputs.some((o) => o.name === given)) refuse(`output ${given}`, 'is not an output of this op.');
    for (const operand of schema.outputs) if (operand.optional && shapes.determined(operand, 0)) node.droppable.add(operand.name);
    for (const operand of schema.outputs) {
      const outputs = Array.from({ length: operand.repeat ? (checkedAttrs['n'] as number) : 1 }, (_, repetition) => {
        const type = shapes.output(operand, repetition, options.shapes?.[operand.name]);
        if (!type) return undefined;
        const suffix = operand.repeat ? `${operand.name}[${repetition}]` : operand.name;
        return this.value(type.dtype, type.shape, `${name}.${suffix}`, { kind: 'computed', node, output: operand.name, repetition });
      });
      node.outputs.set(operand.name, outputs);
    }
    this.nodes.push(node);
    return node;
  }

  private declare(dtype: ValueType, shape: Shape, name: string, source: Source): Value {
    checkSizes(shape, (message) => {
      throw new HypertuneError('GRAPH_INVALID', `${source.kind} ${name}: ${message}`, { field: name });
    });
    return this.value(dtype, shape, name, source);
  }

  private value(dtype: ValueType, shape: Shape, name: string, source: Source): Value {
    return new Value(this, this.values++, dtype, [...shape], name, source);
  }

  private operandLists(schema: OpSchema, inputs: Readonly<Record<string, Operand>>, attrs: Readonly<Record<string, Attr>>, refuse: Refuse) {
    for (const given of Object.keys(inputs)) if (!schema.inputs.some((o) => o.name === given)) refuse(`operand ${given}`, 'is not an operand of this op.');
    const lists = new Map<string, readonly (Value | undefined)[]>();
    for (const operand of schema.inputs) {
      const given = inputs[operand.name];
      const n = operand.repeat ? (attrs['n'] as number) : 1;
      const list = given === undefined ? new Array<undefined>(n).fill(undefined) : Array.isArray(given) ? [...(given as readonly (Value | undefined)[])] : [given as Value];
      if (list.length !== n) refuse(`operand ${operand.name}`, `has ${list.length} entries, not ${n}.`);
      list.forEach((value, repetition) => {
        if (!value) return;
        if (value.graph !== this) refuse(label(operand, repetition), `${value.name} belongs to another graph.`);
        if (operand.writes && value.source.kind !== 'buffer') refuse(label(operand, repetition), `${value.name} is written, so it must be a persistent buffer.`);
        if (operand.writes && value.source.kind === 'buffer' && value.source.buffer.frozen) refuse(label(operand, repetition), `${value.name} is written, but the buffer is frozen.`);
      });
      lists.set(operand.name, list);
    }
    return lists;
  }
}

/** Attributes within their ranges; `n` is taken from the first repeated operand when it is not given. */
function checkAttrs(schema: OpSchema, inputs: Readonly<Record<string, Operand>>, attrs: Readonly<Record<string, Attr>>, refuse: Refuse): Record<string, Attr> {
  for (const given of Object.keys(attrs)) if (!schema.attrs.some((a) => a.name === given)) refuse(`attribute ${given}`, 'is not an attribute of this op.');
  const repeated = schema.inputs.find((o) => o.repeat && !o.optional);
  const counted = repeated && inputs[repeated.name];
  const result: Record<string, Attr> = {};
  for (const { name, type, lo, hi } of schema.attrs) {
    const value = attrs[name] ?? (name === 'n' && Array.isArray(counted) ? counted.length : undefined);
    const at = `attribute ${name}`;
    if (value === undefined) refuse(at, 'is missing.');
    if (type === 'dtype' && value !== 'f32' && value !== 'bf16') refuse(at, `${value} is not f32 or bf16.`);
    if (type === 'float' && !Number.isFinite(Math.fround(value as number))) refuse(at, `${value} is not a finite number of type f32.`);
    if (type === 'int' && !(Number.isInteger(value) && (value as number) >= lo && (value as number) <= hi)) refuse(at, `${value} is not an integer in [${lo}, ${hi}].`);
    result[name] = value;
  }
  return result;
}
