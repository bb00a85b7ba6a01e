/** Ops of a device against what PyTorch has for the same shapes: a case in the notation of docs/ops.md, and peers that peer.py knows. */

export interface Comparison {
  name: string;
  ours: string;
  /** By name: what peer.py computes, with its sizes. */
  peers: Readonly<Record<string, { op: string; [size: string]: unknown }>>;
}

interface Sizes {
  /** Rows and tokens of each. */
  rows: number;
  length: number;
  widths: readonly number[];
  heads: number;
  prefix: number;
  vocabulary: number;
  cache: number;
}
const FULL: Sizes = { rows: 16, length: 512, widths: [768, 1024, 2048], heads: 12, prefix: 32, vocabulary: 32128, cache: 576 };
/** For trying the bench on an emulated device. */
const TINY: Sizes = { rows: 2, length: 24, widths: [32], heads: 2, prefix: 8, vocabulary: 96, cache: 16 };

/** An optional operand that holds 0, step, 2 step and so on. */
const counting = (name: string, count: number, step = 1) => `${name} ${name}~list(${Array.from({ length: count }, (_, i) => i * step).join()})`;

/** bf16 throughout; rank 16; every row has an adapter of its own. */
export function comparisons(tiny: boolean): Comparison[] {
  const { rows, length, widths, heads, prefix, vocabulary, cache } = tiny ? TINY : FULL;
  const tokens = rows * length;
  const [d] = widths;
  const head = tiny ? 16 : 64;
  const inner = heads * head;
  const rank = 16;
  const out: Comparison[] = [];
  const lowRank = (count: number) => `S=${count} pages=${count} mp=1 page_rank=${rank} ${counting('slots', count)} a:bf16 b:bf16 ${counting('table', count)} scale scale~uniform(0.5,1)`;
  const adapted = `R=${rows} ${counting('offsets', rows + 1, length)} ${lowRank(rows)}`;
  for (const width of widths) {
    const sizes = { rows, length, in: width, outs: [width] };
    const linear = `lora_linear T=${tokens} in=${width} out=${width} n=1 x:bf16 w:bf16 dtype=bf16`;
    out.push({ name: `linear ${width}`, ours: `${linear} seed=1`, peers: { plain: { op: 'linear', ...sizes } } });
    out.push({ name: `lora ${width}`, ours: `${linear} ${adapted} seed=1`, peers: { plain: { op: 'linear', ...sizes }, unfused: { op: 'lora', ...sizes, rank } } });
  }
  for (const r of [1, 8, 32]) {
    const sizes = { rows: r, length: 1, in: d, outs: [inner, inner, inner] };
    const linear = `lora_linear T=${r} in=${d} out=${inner} n=3 x:bf16 w:bf16 dtype=bf16`;
    out.push({ name: `decode linear ${r}`, ours: `${linear} seed=2`, peers: { plain: { op: 'linear', ...sizes } } });
    out.push({ name: `decode lora ${r}`, ours: `${linear} ${lowRank(r)} seed=2`, peers: { plain: { op: 'linear', ...sizes }, unfused: { op: 'lora', ...sizes, rank } } });
  }
  const scores = `I=${inner} heads=${heads} buckets=32 bias max_distance=128`;
  const behind = `S=${rows} pages=${rows} mp=1 page_len=${prefix} ${counting('prefix_slot', rows)} pk:bf16 pv:bf16 ${counting('prefix_table', rows)} prefix_len prefix_len~list(${prefix})`;
  const packed = `Tq=${tokens} Tk=${tokens} R=${rows} K=${rows} ${scores} ${counting('q_offsets', rows + 1, length)} k_offsets~list(${Array.from({ length: rows + 1 }, (_, r) => r * length).join()}) bidirectional=1 q:bf16 k:bf16 v:bf16 k~normal(0.3) pk~normal(0.3) ${behind}`;
  const attention = { op: 'attention', rows, length, heads, head, prefix };
  out.push({ name: 'attention', ours: `prefix_attention ${packed} lse dtype=bf16 seed=3`, peers: { sdpa: { ...attention, backward: false } } });
  out.push({
    name: 'attention backward', ours: `prefix_attention_grad ${packed} o:bf16 do:bf16 lse~uniform(6,7) dbias dpk dpv seed=3`, peers: { sdpa: { ...attention, backward: true } },
  });
  for (const r of [1, 32]) {
    out.push({
      name: `decode attention ${r}`, ours: `prefix_attention_decode R=${r} C=${r} cache_len=${cache} ${scores} q:bf16 k:bf16 v:bf16 length~list(${cache}) dtype=bf16 seed=4`,
      peers: { sdpa: { op: 'decode_attention', rows: r, length: cache, heads, head } },
    });
  }
  const loss = `T=${tokens / 4} d=${d} V=${vocabulary} scale=1 x:bf16 w:bf16`;
  for (const [name, op, more] of [['cross entropy', 'cross_entropy', ''], ['cross entropy backward', 'cross_entropy_grad', ' lse~uniform(10,11)']]) {
    out.push({ name, ours: `${op} ${loss}${more} seed=5`, peers: { torch: { op: 'cross_entropy', tokens: tokens / 4, d, vocabulary, backward: more !== '' } } });
  }
  out.push({ name: 'rms norm', ours: `rms_norm T=${tokens} d=${d} eps=1e-6 dtype=bf16 x:bf16 residual h seed=6`, peers: { torch: { op: 'rms_norm', tokens, d } } });
  const queries = tiny ? 4 : 24;
  const outs = [rank * d, rank * inner, rank * d, rank * inner];
  out.push({
    name: 'hyper heads', ours: `hyper_heads N=${queries} d=${d} hid=${d} ${outs.map((o, i) => `out_${i}=${o}`).join(' ')} n=4 output_scale=1 u:bf16 w1:bf16 w2:bf16 w2~normal(0.1) seed=7`,
    peers: { torch: { op: 'hyper_heads', tokens: queries, d, outs } },
  });
  return out;
}
