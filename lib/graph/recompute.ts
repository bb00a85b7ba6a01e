/**
 * Gradient checkpointing (Chen et al. 2016, arXiv:1604.06174): the backward pass computes what lies within a segment again,
 * from the values that enter it, so that those alone are kept between the two passes.
 */
import type { Shape } from './dims.ts';
import type { Graph } from './graph.ts';
import type { Node, Value } from './node.ts';
import { OPS } from './ops.gen.ts';

export class Recompute {
  private readonly g: Graph;
  private readonly pattern: RegExp;
  private readonly forward: readonly Node[];
  private readonly copies = new Map<Node, Node>();
  private readonly values = new Map<Value, Value>();
  private readonly done = new Set<string>();
  private readonly written: ReadonlySet<object | undefined>;

  /** Nodes of `forward` whose names match `pattern` are recomputed; those with the same match are one segment. */
  constructor(g: Graph, forward: readonly Node[], pattern: RegExp) {
    this.g = g;
    this.forward = forward;
    this.written = new Set(forward.flatMap((node) => OPS[node.op].inputs.filter((o) => o.writes).flatMap((o) => node.inputs.get(o.name)!.map(bufferOf))));
    this.pattern = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
  }

  /**
   * The node whose operands and outputs a gradient rule shall read: a copy at the present end of the graph, or the node
   * itself outside of segments. A copy has the attributes of its node, random streams included, so it gives the same bits.
   */
  twin(node: Node): Node {
    const segment = this.segment(node);
    if (segment !== undefined && !this.done.has(segment)) {
      this.done.add(segment);
      // Copies that no gradient reads are left out by `compile`.
      for (const each of this.forward) if (this.segment(each) === segment) this.copy(each);
    }
    return this.copies.get(node) ?? node;
  }

  /** Undefined for nodes that must not run twice: they write persistent state, or read what the forward pass writes. */
  private segment(node: Node): string | undefined {
    const reads = [...node.inputs.values()].flat();
    return reads.some((value) => value?.source.kind === 'buffer' && this.written.has(bufferOf(value))) ? undefined : this.pattern.exec(node.name)?.[0];
  }

  private copy(node: Node): void {
    const { inputs, outputs } = OPS[node.op];
    const current = (value: Value | undefined) => value && (this.values.get(value) ?? value);
    const operands = inputs.map(({ name, repeat }) => {
      const list = node.inputs.get(name)!.map(current);
      return [name, repeat ? list : list[0]];
    });
    const shapes: Record<string, Shape> = {};
    for (const { name, repeat } of outputs) if (!repeat && node.optionalOutput(name)) shapes[name] = node.output(name).shape;
    const copy = this.g.node(node.op, Object.fromEntries(operands), node.attrs, { name: node.name, shapes });
    for (const { name } of outputs)
      node.outputs.get(name)!.forEach((value, i) => {
        if (value) this.values.set(value, copy.output(name, i));
      });
    this.copies.set(node, copy);
  }
}

const bufferOf = (value: Value | undefined): object | undefined => (value?.source.kind === 'buffer' ? value.source.buffer : undefined);
