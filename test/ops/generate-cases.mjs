// Writes test/ops/cases/<stem>.txt for the plain ops: combinations of sizes, storage types and optional operands in which
// every pair of choices meets at least once. Deterministic: `node test/ops/generate-cases.mjs` leaves the files unchanged
// unless a choice below changes. Cases of single situations stand in <stem>_edges.txt and are written by hand.
import { writeFileSync } from 'node:fs';
import path from 'node:path';

const rows = ['1', '3', '7', '111'];
const widths = ['1', '7', '111', '384', '500'];
const sizes = (name, values) => values.map((v) => `${name}=${v}`);
const types = (name) => [`${name}:f32`, `${name}:bf16`];
const optional = (name) => ['', ...types(name)];
const out = ['dtype=f32', 'dtype=bf16'];
const shapes = sizes('shape', ['1', '3', '7x111', '111x384', '500x3', '3x7x111', '33000x3']);
const kinds = ['kind=0', 'kind=1', 'kind=2', 'kind=3'];
const wide = (name) => ['', `${name}~normal(8)`]; // saturates gates

// op -> choices; each choice is the words to add to the line ('' for none).
const stems = {
  rows: {
    concat_rows: [['n=1', 'n=2', 'n=5'], sizes('P', rows), sizes('C', widths), ['', 'x:bf16', 'x_0:bf16'], out],
    gather_rows: [sizes('N', ['1', '3', '111']), sizes('M', rows), sizes('C', widths), types('x'), out],
    scatter_add_rows: [sizes('N', ['1', '3', '111']), sizes('M', rows), sizes('C', widths), types('x')],
    // The index is a list without repeats: which of two rows wins is the order of m, checked by hand-written cases.
    write_rows: [['N=8 M=3 index~list(5,-1,0)', 'N=3 M=1 index~list(2)', 'N=111 M=5 index~list(7,110,0,-1,64)'], sizes('C', widths), types('buffer'), types('x')],
  },
  elementwise: {
    add: [shapes, types('a'), types('b'), out],
    mul: [shapes, types('a'), types('b'), out],
    scale: [shapes, types('x'), out, ['alpha=-0.25', 'alpha=0', 'alpha=1.7']],
    scale_by: [shapes, types('x'), out],
    cast: [shapes, types('x'), out],
    expand: [shapes],
    fill: [shapes, ['value=0', 'value=-1.5']],
  },
  dropout: {
    dropout: [shapes, types('x'), out, ['rate~list(0)', 'rate~list(0.1)', 'rate~list(0.5)', 'rate~list(1)'], ['stream=0', 'stream=7', 'stream=2147483647'], ['', 'key~list(-1,-2147483648,5,9)']],
  },
  activation: {
    activation: [shapes, kinds, types('x'), out, wide('x')],
    activation_grad: [shapes, kinds, types('x'), types('dy'), wide('x')],
    gated_activation: [shapes, kinds, types('a'), types('b'), out, wide('a')],
    gated_activation_grad: [shapes, kinds, types('a'), types('b'), types('dy'), wide('a')],
  },
  reduce: {
    sum: [shapes, types('x'), ['x~uniform(0,1)']],
    global_norm: [['n=1', 'n=2 shape_0=7 shape_1=500x384', 'n=5 shape_3=33000x3'], ['shape=3x7', 'shape=1', 'shape=111x384'], ['', 'x:bf16', 'x_0:bf16']],
  },
  optimizer: {
    adamw: [
      shapes, optional('copy'), ['beta1=0.9 beta2=0.999', 'beta1=0 beta2=0.95'], ['eps=1e-8', 'eps=1e-3'], ['', 'weight_decay=0.1'],
      // A learning rate near 1: an error of the step shows in the parameter.
      ['lr_scale=1 rates~list(0.7,0.1,0.001)', 'lr_scale=0.5 rates~list(0.9,1,0.6)'], ['gscale~list(1)', 'gscale~list(-0.125)', 'gscale~list(0)'],
    ],
    average: [shapes, ['rate~list(1)', 'rate~list(0.03)'], ['gscale~list(1)', 'gscale~list(0)']],
  },
  adafactor: {
    adafactor: [
      ['N=1', 'N=3'], sizes('R', ['1', '7', '111', '700']), sizes('C', ['1', '7', '111', '500']), optional('copy'), ['', 'm beta1=0.9', 'm'], ['eps1=1e-30', 'eps1=1e-3'], ['', 'weight_decay=0.1'],
      // The parameter's own size, a floor above it, and neither; updates that are cut and not.
      ['scale_parameter=1 eps2=1e-3', 'scale_parameter=1 eps2=4', 'scale_parameter=0'], ['clip_threshold=1', 'clip_threshold=0.1', 'clip_threshold=9'],
      ['lr_scale=1 rates~list(0.7,0)', 'lr_scale=0.5 rates~list(0.9,0.6)'], ['gscale~list(1)', 'gscale~list(-0.125)', 'gscale~list(0)'],
    ],
    adafactor_full: [
      shapes, optional('copy'), ['', 'm beta1=0.9', 'm'], ['eps1=1e-30', 'eps1=1e-3'], ['', 'weight_decay=0.1'],
      ['scale_parameter=1 eps2=1e-3', 'scale_parameter=1 eps2=4', 'scale_parameter=0'], ['clip_threshold=1', 'clip_threshold=0.1', 'clip_threshold=9'],
      ['lr_scale=1 rates~list(0.7,0)', 'lr_scale=0.5 rates~list(0.9,0.6)'], ['gscale~list(1)', 'gscale~list(-0.125)', 'gscale~list(0)'],
    ],
  },
  state: {
    accumulate: [shapes, types('x')],
    assign: [shapes, types('buffer'), types('x')],
    zero: [shapes, ['buffer:f32', 'buffer:bf16', 'buffer:i32']],
  },
  embedding: {
    embedding: [sizes('V', ['1', '3', '111']), sizes('T', rows), sizes('d', widths), types('table'), ['', 'P=1 prompt:f32', 'P=7 prompt:bf16'], out],
    embedding_grad: [sizes('V', ['1', '3', '111']), sizes('T', rows), sizes('d', widths), types('dy'), ['dtable', 'dtable P=1 dprompt', 'P=7 dprompt']],
  },
  rms_norm: {
    rms_norm: [sizes('T', rows), sizes('d', widths), types('x'), [...optional('residual'), 'residual h', 'residual:bf16 h'], types('gain'), out, ['eps=1e-6', 'eps=0.5'], ['', 'x~normal(3000)']],
    // Width 1 stands with the edges: the gradient is nearly all cancelled.
    rms_norm_grad: [sizes('T', [...rows, '384']), sizes('d', ['3', ...widths.slice(1)]), types('h'), types('gain'), types('dy'), optional('carry'), ['', 'dgain'], ['eps=1e-6', 'eps=0.5']],
  },
  kv_append: {
    kv_append: [['R=1 C=1', 'R=3 C=3', 'R=3 C=7', 'R=111 C=111'], sizes('I', ['1', '7', '384']), sizes('cache_len', ['1', '3', '7']), types('cache'), types('x')],
  },
  decode: {
    log_softmax: [sizes('R', ['1', '3', '7']), sizes('V', ['1', '3', '111', '500', '5003']), types('x'), ['', 'x~normal(30)']],
    logit_rules: [
      sizes('R', ['1', '3', '7']), sizes('V', ['3', '7', '111']), sizes('H', ['1', '7', '12']), types('x'),
      ['repetition_penalty=1', 'repetition_penalty=1.3', 'repetition_penalty=0.5'], ['', 'no_repeat_ngram=1', 'no_repeat_ngram=2', 'no_repeat_ngram=3'],
      ['', 'eos E=1 min_length=5', 'eos E=3', 'eos E=3 min_length=12'], ['', 'banned B=1 L=1', 'banned B=7 L=2', 'banned B=111 L=3'], ['', 'suppress U=1', 'suppress U=3'],
    ],
    top_k: [sizes('R', ['1', '3', '7']), sizes('V', ['1', '3', '111', '500', '5003']), types('x'), sizes('k', ['1', '3', '7', '64'])],
    sample: [
      sizes('R', ['1', '3', '7']), sizes('V', ['3', '111', '500', '5003']), sizes('E', ['1', '3']), ['H=12', 'H=1'], types('x'), ['', 'pad=3'], ['', 'x~normal(5)'], ['done~list(0)', 'done~list(0,1)'],
      // temperature, top_k, top_p, limit; lists of eight give two kinds of row in one batch.
      ['params~list(0,0,1,20)', 'params~list(0.7,0,1,20)', 'params~list(1,5,1,9)', 'params~list(1.3,0,0.9,20)', 'params~list(0.8,7,0.5,3)', 'params~list(0,0,1,6,1.1,4,0.7,9)', 'params~list(1,0,0,12)'],
    ],
  },
};

/** Rows of choices (an index per factor) in which every pair of choices of two factors occurs: greedy, in a fixed order. */
function pairwise(factors) {
  if (factors.length === 1) return factors[0].map((_, i) => [i]);
  const open = new Set();
  const key = (i, a, j, b) => (i < j ? `${i}.${a}|${j}.${b}` : `${j}.${b}|${i}.${a}`);
  for (let i = 0; i < factors.length; i++) for (let j = i + 1; j < factors.length; j++) factors[i].forEach((_, a) => factors[j].forEach((_, b) => open.add(key(i, a, j, b))));
  const result = [];
  while (open.size) {
    const row = new Array(factors.length).fill(-1);
    for (const part of open.values().next().value.split('|')) {
      const [factor, choice] = part.split('.').map(Number);
      row[factor] = choice;
    }
    for (let i = 0; i < factors.length; i++) {
      if (row[i] >= 0) continue;
      let best = 0;
      let most = -1;
      // Starting elsewhere in every row spreads the choices that no pair asks for.
      for (let step = 0; step < factors[i].length; step++) {
        const a = (step + result.length) % factors[i].length;
        const gain = row.filter((b, j) => b >= 0 && open.has(key(i, a, j, b))).length;
        if (gain > most) [best, most] = [a, gain];
      }
      row[i] = best;
    }
    row.forEach((a, i) => row.forEach((b, j) => j > i && open.delete(key(i, a, j, b))));
    result.push(row);
  }
  return result;
}

for (const [stem, ops] of Object.entries(stems)) {
  const lines = ['# Written by test/ops/generate-cases.mjs. Do not edit.'];
  for (const [op, factors] of Object.entries(ops)) {
    pairwise(factors).forEach((row, n) => lines.push([op, ...row.map((choice, i) => factors[i][choice]).filter(Boolean), `seed=${n + 1}`].join(' ')));
  }
  writeFileSync(path.join(import.meta.dirname, 'cases', `${stem}.txt`), `${lines.join('\n')}\n`);
}
