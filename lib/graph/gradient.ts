/**
 * Reverse-mode differentiation, graph to graph: adds the nodes that compute gradients to the graph that holds the forward
 * nodes. Only operands on a path to `wrt` get one, so frozen weights cost nothing.
 */
import { HypertuneError } from '../engine/errors.ts';
import { formatShape, sameShape } from './dims.ts';
import type { Graph } from './graph.ts';
import type { Node, Value } from './node.ts';
import { GRADIENTS, add, fill } from './ops/index.ts';
import { OPS } from './ops.gen.ts';
import { Recompute } from './recompute.ts';
import { label } from './shapes.ts';

export interface GradientSeed {
  /** A float value that the result depends on. */
  value: Value;
  /** dL/d(value), f32 in its shape; ones when absent. */
  grad?: Value;
}

export interface GradientOptions {
  /**
   * Nodes whose names match are computed again in the backward pass instead of being kept; nodes with the same match form a
   * segment, of which only what enters it is kept. The gradients have the same bits.
   */
  recompute?: RegExp;
}

/**
 * dL/d(wrt) for L whose gradients at `outputs` are given, each f32 in the shape of its value; undefined where L does not
 * depend on it. Throws GRAPH_GRADIENT, naming node and operand, where a path crosses an op without a rule or persistent
 * state that the graph writes.
 */
export function gradients(g: Graph, outputs: readonly GradientSeed[], wrt: readonly Value[], options: GradientOptions = {}): (Value | undefined)[] {
  return new Backward(g, wrt, options).run(outputs);
}

class Backward {
  private readonly g: Graph;
  private readonly wrt: readonly Value[];
  private readonly forward: readonly Node[];
  /** Values through which a change of `wrt` reaches the outputs. */
  private readonly dependent = new Set<Value>();
  private readonly grads = new Map<Value, Value>();
  /** Last node of the forward graph that writes a buffer, by the buffer. */
  private readonly lastWrite = new Map<object, Node>();
  /** Buffers that hold something computed from `wrt`, and the node that put it there. */
  private readonly stored = new Map<object, Node>();
  private readonly recompute: Recompute | undefined;

  constructor(g: Graph, wrt: readonly Value[], { recompute }: GradientOptions) {
    this.g = g;
    this.wrt = wrt;
    this.forward = [...g.nodes];
    this.recompute = recompute && new Recompute(g, this.forward, recompute);
    for (const value of wrt) {
      requireFloat(g, value, 'wrt');
      this.dependent.add(value);
    }
    for (const node of this.forward) this.markDependent(node);
  }

  run(outputs: readonly GradientSeed[]): (Value | undefined)[] {
    this.g.scope('grad', () => {
      for (const { value, grad } of outputs) this.seed(value, grad);
      for (const node of this.forward.toReversed()) this.visit(node);
    });
    return this.wrt.map((value) => this.grads.get(value));
  }

  private markDependent(node: Node): void {
    const schema = OPS[node.op];
    let reached = false;
    for (const operand of schema.inputs)
      for (const value of node.inputs.get(operand.name)!) {
        if (!value) continue;
        if (operand.writes) this.lastWrite.set(bufferOf(value)!, node);
        else reached ||= this.isDependent(value);
      }
    if (!reached) return;
    for (const operand of schema.inputs) if (operand.writes) for (const value of node.inputs.get(operand.name)!) if (value) this.stored.set(bufferOf(value)!, node);
    for (const list of node.outputs.values()) for (const value of list) if (value && value.dtype !== 'i32') this.dependent.add(value);
  }

  private isDependent(value: Value): boolean {
    const buffer = bufferOf(value);
    return this.dependent.has(value) || (buffer !== undefined && this.stored.has(buffer));
  }

  private seed(value: Value, grad: Value | undefined): void {
    requireFloat(this.g, value, 'output');
    if (grad && (grad.dtype !== 'f32' || !sameShape(grad.shape, value.shape)))
      throw new HypertuneError('GRAPH_GRADIENT', `the gradient given for ${value.name} is ${grad.dtype} ${formatShape(grad.shape)}, not f32 ${formatShape(value.shape)}.`, { field: value.name });
    if (!this.dependent.has(value)) return;
    this.push(value, grad ?? fill(this.g, { value: 1, shape: value.shape }));
  }

  private push(value: Value, grad: Value): void {
    const before = this.grads.get(value);
    this.grads.set(value, before ? add(this.g, { a: before, b: grad }) : grad);
  }

  private visit(node: Node): void {
    const schema = OPS[node.op];
    const reached = schema.outputs.filter((o) => node.outputs.get(o.name)!.some((v) => v && this.grads.has(v)));
    if (!reached.length) return;
    const needs = (operand: string, repetition = 0) => {
      const value = node.input(operand, repetition);
      return value !== undefined && value.dtype !== 'i32' && this.isDependent(value);
    };
    const needed = schema.inputs.filter((o) => node.inputs.get(o.name)!.some((_, i) => needs(o.name, i)));
    if (!needed.length) return;

    const rule = GRADIENTS[node.op];
    for (const o of schema.inputs) if (o.writes) this.refuse(node, `operand ${o.name}`, 'is persistent state that this node writes; no gradient crosses it.');
    for (const o of reached) if (!rule?.outputs.includes(o.name)) this.refuse(node, `output ${o.name}`, 'no gradient rule starts from it.');
    for (const o of needed) if (!rule!.operands.includes(o.name)) this.refuse(node, `operand ${o.name}`, 'no gradient rule leads to it.');
    this.requireUnwritten(node);

    const twin = this.recompute?.twin(node) ?? node;
    const result = this.g.scope(node.name, () =>
      rule!.apply({
        g: this.g,
        node: twin,
        needs,
        grad: (output, repetition = 0) => {
          const value = node.optionalOutput(output, repetition);
          return value && this.grads.get(value);
        },
        refuse: (operand, message) => this.refuse(node, `operand ${operand}`, message),
      }),
    );
    this.g.scope(node.name, () => {
      for (const { name } of needed) {
        const found = result[name];
        node.inputs.get(name)!.forEach((value, i) => {
          const grad = Array.isArray(found) ? (found as readonly (Value | undefined)[])[i] : (found as Value | undefined);
          if (value && grad && needs(name, i)) this.push(value, grad);
        });
      }
    });
  }

  /** Backward nodes read the operands again, after every effect of the forward graph. */
  private requireUnwritten(node: Node): void {
    for (const operand of OPS[node.op].inputs)
      for (const [i, value] of node.inputs.get(operand.name)!.entries()) {
        const buffer = value && bufferOf(value);
        const stored = buffer && this.stored.get(buffer);
        if (stored) this.refuse(node, label(operand, i), `${value!.name} is persistent state that ${stored.op} '${stored.name}' writes; no gradient crosses it.`);
        const writer = buffer && this.lastWrite.get(buffer);
        if (writer && writer.id > node.id)
          this.refuse(node, label(operand, i), `${value!.name} is changed by ${writer.op} '${writer.name}' before the backward pass reads it; ask for gradients first.`);
      }
  }

  private refuse(node: Node, place: string, message: string): never {
    throw new HypertuneError('GRAPH_GRADIENT', `${node.op} '${node.name}', ${place}: ${message}`, { field: place });
  }
}

const bufferOf = (value: Value): object | undefined => (value.source.kind === 'buffer' ? value.source.buffer : undefined);

function requireFloat(g: Graph, value: Value, role: string): void {
  if (value.graph !== g) throw new HypertuneError('GRAPH_GRADIENT', `${role} ${value.name} belongs to another graph.`, { field: value.name });
  if (value.dtype === 'i32') throw new HypertuneError('GRAPH_GRADIENT', `${role} ${value.name} is i32 and has no gradient.`, { field: value.name });
}
