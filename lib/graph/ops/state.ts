/** Effects on persistent buffers, in the order they are built. */
import type { Graph } from '../graph.ts';
import type { Value } from '../node.ts';
import type { Named } from './arguments.ts';

/** buffer += x; the buffer is f32. */
export function accumulate(g: Graph, { buffer, x, name }: { buffer: Value; x: Value } & Named): void {
  g.node('accumulate', { buffer, x }, {}, { name });
}

/** buffer = x, rounded to the buffer's type. */
export function assign(g: Graph, { buffer, x, name }: { buffer: Value; x: Value } & Named): void {
  g.node('assign', { buffer, x }, {}, { name });
}

/** buffer = 0. */
export function zero(g: Graph, { buffer, name }: { buffer: Value } & Named): void {
  g.node('zero', { buffer }, {}, { name });
}
