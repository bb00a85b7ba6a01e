/** Element by element on operands of one shape; arithmetic in f32, results rounded to `dtype` (default f32). */
import type { Shape } from '../dims.ts';
import type { Graph } from '../graph.ts';
import type { GradientRules } from '../gradient-rule.ts';
import type { FloatType, Value } from '../node.ts';
import type { Named, Rounded } from './arguments.ts';
import { sum } from './reduce.ts';

/** a + b. */
export function add(g: Graph, { a, b, dtype = 'f32', name }: { a: Value; b: Value } & Rounded): Value {
  return g.node('add', { a, b }, { dtype }, { name }).output('y');
}

/** a * b. */
export function mul(g: Graph, { a, b, dtype = 'f32', name }: { a: Value; b: Value } & Rounded): Value {
  return g.node('mul', { a, b }, { dtype }, { name }).output('y');
}

/** alpha * x, alpha a constant of the graph. */
export function scale(g: Graph, { x, alpha, dtype = 'f32', name }: { x: Value; alpha: number } & Rounded): Value {
  return g.node('scale', { x }, { alpha, dtype }, { name }).output('y');
}

/** s[0] * x, s f32 [1]. */
export function scaleBy(g: Graph, { x, s, dtype = 'f32', name }: { x: Value; s: Value } & Rounded): Value {
  return g.node('scale_by', { x, s }, { dtype }, { name }).output('y');
}

/** x in another float type, rounded to nearest even. */
export function cast(g: Graph, { x, dtype, name }: { x: Value; dtype: FloatType } & Named): Value {
  return g.node('cast', { x }, { dtype }, { name }).output('y');
}

/** s[0] (f32 [1]) everywhere in `shape`; f32. */
export function expand(g: Graph, { s, shape, name }: { s: Value; shape: Shape } & Named): Value {
  return g.node('expand', { s }, {}, { name, shapes: { y: shape } }).output('y');
}

/** A constant everywhere in `shape`; f32. */
export function fill(g: Graph, { value, shape, name }: { value: number; shape: Shape } & Named): Value {
  return g.node('fill', {}, { value }, { name, shapes: { y: shape } }).output('y');
}

export const elementwiseGradients: GradientRules = {
  add: { outputs: ['y'], operands: ['a', 'b'], apply: ({ grad }) => ({ a: grad('y'), b: grad('y') }) },
  mul: {
    outputs: ['y'],
    operands: ['a', 'b'],
    apply({ g, node, grad, needs }) {
      const dy = grad('y')!;
      return {
        a: needs('a') ? mul(g, { a: dy, b: node.required('b') }) : undefined,
        b: needs('b') ? mul(g, { a: dy, b: node.required('a') }) : undefined,
      };
    },
  },
  scale: { outputs: ['y'], operands: ['x'], apply: ({ g, node, grad }) => ({ x: scale(g, { x: grad('y')!, alpha: node.attrs['alpha'] as number }) }) },
  scale_by: {
    outputs: ['y'],
    operands: ['x', 's'],
    apply({ g, node, grad, needs }) {
      const dy = grad('y')!;
      return {
        x: needs('x') ? scaleBy(g, { x: dy, s: node.required('s') }) : undefined,
        s: needs('s') ? sum(g, { x: mul(g, { a: dy, b: node.required('x') }) }) : undefined,
      };
    },
  },
  cast: { outputs: ['y'], operands: ['x'], apply: ({ grad }) => ({ x: grad('y') }) },
  expand: { outputs: ['y'], operands: ['s'], apply: ({ g, grad }) => ({ s: sum(g, { x: grad('y')! }) }) },
};
