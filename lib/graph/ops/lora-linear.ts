/** Linear layers that share their input, each with optional low-rank (Hu et al. 2021, arXiv:2106.09685) and scale terms by row. */
import type { Graph } from '../graph.ts';
import type { GradientRequest, GradientRules } from '../gradient-rule.ts';
import type { FloatType, Value } from '../node.ts';
import type { Rounded } from './arguments.ts';
import { mul } from './elementwise.ts';
import { gatherRows } from './rows.ts';

/** Low-rank term of one weight. Page p of a slot is rows [p * pageRank, (p + 1) * pageRank) of a and b. */
export interface LowRank {
  /** [pageRank * pages, in] */
  a: Value;
  /** [pageRank * pages, out] */
  b: Value;
  /** i32 [S, mp]: pages of each slot, -1 is none. */
  table: Value;
  /** f32 [S] */
  scale: Value;
  /** f32 [R, pageRank * mp]: multiplies the middle vector of each row. */
  mid?: Value;
}

export interface LinearWeight {
  /** [out, in] */
  w: Value;
  /** f32 [out]: of each row of an i8 weight. */
  wScale?: Value;
  lowRank?: LowRank;
  /** f32 [Z, out]: multiplies the output by the row's scale slot. */
  sOut?: Value;
}

export interface LoraLinearArgs extends Rounded {
  /** [T, in]. */
  x: Value;
  weights: readonly LinearWeight[];
  /** i32 [R+1], starts of packed rows; absent: every token is a row. */
  offsets?: Value;
  /** i32 [R]: adapter slot of each row, for the low-rank terms. */
  slots?: Value;
  /** i32 [R]: slot of each row in sIn and sOut. */
  scaleSlots?: Value;
  /** f32 [Z, in]: multiplies x. */
  sIn?: Value;
  /** Rank rows per page; needed with a low-rank term. */
  pageRank?: number;
}

/** y_i = sOut_i * (W_i (sIn * x) + scale_i B_i^T (mid_i * (A_i (sIn * x)))); [T, out_i] for each weight. */
export function loraLinear(g: Graph, { x, weights, offsets, slots, scaleSlots, sIn, pageRank = 1, dtype = 'f32', name }: LoraLinearArgs): Value[] {
  const low = (part: keyof LowRank) => weights.map((weight) => weight.lowRank?.[part]);
  return g
    .node(
      'lora_linear',
      {
        x, offsets, slots, scale_slots: scaleSlots, s_in: sIn, w: weights.map((weight) => weight.w), w_scale: weights.map((weight) => weight.wScale),
        a: low('a'), b: low('b'), table: low('table'), scale: low('scale'), mid: low('mid'), s_out: weights.map((weight) => weight.sOut),
      },
      { page_rank: pageRank, dtype },
      { name },
    )
    .all('y');
}

/** x W^T without bias; [T, out]. */
export function linear(g: Graph, { x, w, wScale, dtype, name }: { x: Value; w: Value; wScale?: Value; dtype?: FloatType; name?: string }): Value {
  return loraLinear(g, { x, weights: [{ w, wScale }], dtype, name })[0];
}

export const loraLinearGradients: GradientRules = {
  lora_linear: {
    outputs: ['y'],
    operands: ['x', 'w', 'a', 'b'],
    apply(request) {
      const { g, node, grad, needs } = request;
      const n = node.repetitions('w');
      const scaledX = once(() => scaled(request, node.required('x'), node.input('s_in'), 's_in'));
      const scaledDy = Array.from({ length: n }, (_, i) => once(() => scaled(request, grad('y', i)!, node.input('s_out', i), 's_out')));
      const [w, a, b] = [new Array<Value | undefined>(n), new Array<Value | undefined>(n), new Array<Value | undefined>(n)];
      for (let i = 0; i < n; ++i) {
        if (!grad('y', i)) continue;
        if (needs('w', i)) w[i] = g.node('linear_dw', { x: scaledX(), dy: scaledDy[i]() }).output('dw');
        if (!needs('a', i) && !needs('b', i)) continue;
        const back = g.node(
          'lora_linear_dab',
          {
            x: scaledX(), dy: scaledDy[i](), offsets: node.input('offsets'), slots: node.input('slots'), a: node.input('a', i), b: node.input('b', i),
            table: node.input('table', i), scale: node.input('scale', i), mid: node.input('mid', i),
          },
          { page_rank: node.attrs['page_rank'] },
        );
        a[i] = back.output('da');
        b[i] = back.output('db');
      }
      return { x: needs('x') ? inputGradient(request, n) : undefined, w, a, b };
    },
  },
};

/** One dx for all weights that a gradient reaches. */
function inputGradient({ g, node, grad, refuse }: GradientRequest, n: number): Value {
  const reached = Array.from({ length: n }, (_, i) => i).filter((i) => grad('y', i));
  if (reached.some((i) => node.required('w', i).dtype === 'i8')) refuse('w', 'gradients do not pass int8 weights.');
  const pick = (operand: string) => reached.map((i) => node.input(operand, i));
  return g
    .node(
      'lora_linear_dx',
      {
        offsets: node.input('offsets'), slots: node.input('slots'), scale_slots: node.input('scale_slots'), s_in: node.input('s_in'),
        dy: reached.map((i) => grad('y', i)), w: pick('w'), a: pick('a'), b: pick('b'), table: pick('table'), scale: pick('scale'), mid: pick('mid'), s_out: pick('s_out'),
      },
      { page_rank: node.attrs['page_rank'] },
    )
    .output('dx');
}

/** value times the scale row of each token, as the weight gradients need it. */
function scaled({ g, node, refuse }: GradientRequest, value: Value, factors: Value | undefined, operand: string): Value {
  if (!factors) return value;
  if (node.input('offsets')) refuse(operand, 'gradients of w, a or b beside a scale need one row per token: no op spreads scale slots over packed rows.');
  return mul(g, { a: value, b: gatherRows(g, { x: factors, index: node.required('scale_slots') }) });
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
