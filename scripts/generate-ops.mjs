// Writes native/core/ops.gen.h and lib/graph/ops.gen.ts from native/core/ops.json, the only place where an op's operands stand.
// `--check` writes nothing and fails when a generated file differs from what the table gives.
import { readFileSync, writeFileSync, existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const table = JSON.parse(readFileSync(path.join(root, 'native/core/ops.json'), 'utf8'));
const fail = (message) => {
  throw new Error(`native/core/ops.json: ${message}`);
};

// ---- notation -------------------------------------------------------------------------------------------------------

/** 'a*B+1' -> { mul, name, add }; mul and name are identifiers, integers or absent. */
function parseDim(text) {
  const m = /^(?:(\w+)\*)?([A-Za-z]\w*)(?:\+(\d+))?$/.exec(text);
  if (m) return { mul: m[1] ?? '1', name: m[2], add: Number(m[3] ?? 0) };
  if (/^\d+$/.test(text)) return { mul: '0', name: '', add: Number(text) };
  return fail(`dimension '${text}'`);
}

function parseShape(text) {
  if (text === 'any' || text === 'free') return { kind: text, dims: [] };
  if (text.startsWith('=')) return { kind: 'same', like: text.slice(1), dims: [] };
  const m = /^\[(.*)\]$/.exec(text);
  if (!m) fail(`shape '${text}'`);
  return { kind: 'dims', dims: m[1].split(',').map((d) => parseDim(d.trim())) };
}

function parseOperand(op, key, text) {
  const m = /^([a-z_]\w*?)(\*?)(!?)(\??)$/.exec(key);
  if (!m) fail(`${op}: operand '${key}'`);
  const t = /^(float\|i8|float|f32|any|i32|=\w+|@dtype) (\[[^\]]*\]|any|free|=\w+)(?: (.*))?$/.exec(text);
  if (!t) fail(`${op}.${m[1]}: '${text}'`);
  const operand = { name: m[1], repeat: m[2] !== '', writes: m[3] !== '', optional: m[4] !== '', dtype: t[1], shape: parseShape(t[2]), role: { kind: 'none' } };
  if (t[3]) {
    const words = t[3].split(' ');
    if (words[0] === 'offsets') operand.role = { kind: 'offsets', of: words[1] };
    else if (words[0] === 'index') operand.role = { kind: 'index', lo: Number(words[1]), hi: words[2].replace(/([A-Za-z]\w*)\+([A-Za-z]\w*)$/, '$1 $2').split(' ').map(parseDim) };
    else fail(`${op}.${m[1]}: role '${t[3]}'`);
  }
  return operand;
}

function parseAttr(op, name, text) {
  const [type, lo, hi] = text.split(' ');
  if (!['int', 'float', 'dtype'].includes(type)) fail(`${op}: attribute '${name}'`);
  return { name, type, lo: Number(lo ?? 0), hi: Number(hi ?? 0) };
}

function parseRule(op, text) {
  let m = /^(\w+) \| (\w+) = (\w+)$/.exec(text);
  if (m) return { kind: 'absent_equal', operand: m[1], a: m[2], b: m[3], needs: [] };
  m = /^(\w+) => (.+)$/.exec(text);
  if (m) return { kind: 'needs', operand: m[1], a: '', b: '', needs: m[2].split(' ') };
  m = /^(\w+) <=> (\w+) i8$/.exec(text);
  if (m) return { kind: 'with_i8', operand: m[1], a: m[2], b: '', needs: [] };
  return fail(`${op}: rule '${text}'`);
}

const ops = table.ops.map((raw, id) => {
  const part = (record) => Object.entries(record).map(([k, v]) => parseOperand(raw.name, k, v));
  const order = (list) => [...list.filter((o) => !o.repeat), ...list.filter((o) => o.repeat)];
  return {
    id, name: raw.name, stem: raw.stem, view: raw.view ?? false, cpu: raw.cpu ?? false, doc: raw.doc,
    inputs: order(part(raw.in)), outputs: order(part(raw.out)),
    attrs: Object.entries(raw.attr).map(([k, v]) => parseAttr(raw.name, k, v)),
    rules: (raw.rules ?? []).map((r) => parseRule(raw.name, r)),
  };
});

// ---- C++ ------------------------------------------------------------------------------------------------------------

const DTYPE = { float: 'kAnyFloat', 'float|i8': 'kFloatOrI8', f32: 'kF32', any: 'kAny', i32: 'kI32', '@dtype': 'kAttrDType' };
const q = (s) => `"${s}"`;
const cdim = (d) => `{${q(d.mul)}, ${q(d.name)}, ${d.add}}`;
/** Declares a constant array and returns its name; an empty list needs none. */
const arrays = [];
function list(type, items) {
  if (!items.length) return '{}';
  const known = arrays.find((a) => a.type === type && a.items === items.join(', '));
  if (known) return known.name;
  const name = `k${arrays.length}`;
  arrays.push({ name, type, items: items.join(', ') });
  return name;
}
const clike = (o) => (o.dtype.startsWith('=') ? q(o.dtype.slice(1)) : q(''));
const coperand = (o) =>
  `{${q(o.name)}, ${o.repeat}, ${o.optional}, ${o.writes}, ${o.dtype.startsWith('=') ? 'kLike' : DTYPE[o.dtype]}, ${clike(o)}, ` +
  `${{ any: 'kShapeAny', free: 'kShapeFree', same: 'kShapeLike', dims: 'kShapeDims' }[o.shape.kind]}, ${q(o.shape.like ?? '')}, ${list('DimPattern', o.shape.dims.map(cdim))}, ` +
  `${{ none: 'kPlain', offsets: 'kOffsets', index: 'kIndex' }[o.role.kind]}, ${o.role.lo ?? 0}, ${list('DimPattern', (o.role.kind === 'index' ? o.role.hi : o.role.kind === 'offsets' ? [parseDim(o.role.of)] : []).map(cdim))}}`;
const crule = (r) => `{${{ absent_equal: 'kAbsentEqual', needs: 'kNeeds', with_i8: 'kWithI8' }[r.kind]}, ${q(r.operand)}, ${q(r.a)}, ${q(r.b)}, ${list('char* const', r.needs.map(q))}}`;
const cattr = (a) => `{${q(a.name)}, ${{ int: 'kInt', float: 'kFloat', dtype: 'kDTypeAttr' }[a.type]}, ${a.lo}, ${a.hi}}`;
const RESERVED = new Set(['do', 'float', 'int', 'register', 'union']);
const safe = (n) => (RESERVED.has(n) ? `${n}_` : n);

function header() {
  const out = ['// Generated from native/core/ops.json by scripts/generate-ops.mjs. Do not edit.', '#pragma once', '#include "core/op_schema.h"', '#include "core/tensor.h"', '', 'namespace ht {', '', `constexpr int kOpCount = ${ops.length};`, `constexpr int kOpTableVersion = ${table.version};`, ''];
  out.push('enum class Op : int32_t {', ...ops.map((o) => `  ${o.name} = ${o.id},`), '};', '');
  out.push('// Positions of operands and attributes: call.in[op::rms_norm::gain], op::lora_linear::in(call, op::lora_linear::w, i).', 'namespace op {');
  for (const o of ops) {
    out.push(`struct ${o.name} {`);
    for (const [label, operands] of [['in', o.inputs], ['out', o.outputs]]) {
      const single = operands.filter((x) => !x.repeat);
      const group = operands.filter((x) => x.repeat);
      const prefix = label === 'out' ? 'o_' : '';
      operands.forEach((x, i) => out.push(`  static constexpr int ${prefix}${safe(x.name)} = ${i};`));
      out.push(`  static constexpr int ${label}_fixed = ${single.length}, ${label}_group = ${group.length};`);
      if (group.length) {
        const t = label === 'in' ? 'const Tensor&' : 'Tensor&';
        out.push(`  static ${t} ${label}(const Call& c, int operand, int i) { return c.${label}[operand < ${single.length} ? operand : operand + i * ${group.length}]; }`);
      }
    }
    o.attrs.forEach((a, i) => out.push(`  static constexpr int a_${a.name} = ${i};`));
    out.push('};');
  }
  out.push('}  // namespace op', '');
  for (const o of ops.filter((x) => !x.view)) out.push(`void ${o.name}_ref(const Call&);`);
  for (const o of ops.filter((x) => x.cpu)) out.push(`void ${o.name}_cpu(const Call&);`);
  out.push('', '// Reference kernel, then the fast CPU kernel where there is one; both null for views.', 'struct OpKernels {', '  Kernel reference, cpu;', '};', `inline constexpr OpKernels kOpKernels[kOpCount] = {`);
  for (const o of ops) out.push(`    {${o.view ? 'nullptr' : `${o.name}_ref`}, ${o.cpu ? `${o.name}_cpu` : 'nullptr'}},`);
  out.push('};', '');
  const rows = ops.map(
    (o) =>
      `    {${q(o.name)}, ${o.view}, ${list('OperandSchema', o.inputs.map(coperand))}, ${list('OperandSchema', o.outputs.map(coperand))}, ` +
      `${list('AttrSchema', o.attrs.map(cattr))}, ${list('OpRule', o.rules.map(crule))}},`,
  );
  out.push('namespace op_table {', ...arrays.map((a) => `inline constexpr ${a.type.startsWith('char') ? 'const char*' : a.type} ${a.name}[] = {${a.items}};`));
  out.push(`inline constexpr OpSchema ops[kOpCount] = {`, ...rows, '};', '}  // namespace op_table', '', 'inline const OpSchema& op_schema(int id) { return op_table::ops[id]; }', '', '}  // namespace ht', '');
  return out.join('\n');
}

// ---- CUDA -----------------------------------------------------------------------------------------------------------

function cudaHeader() {
  const kernels = ops.filter((o) => !o.view);
  return [
    '// Generated from native/core/ops.json by scripts/generate-ops.mjs. Do not edit.', '#pragma once', '#include "core/ops.gen.h"', '',
    'namespace ht::cuda {', '', 'class Launcher;', 'using CudaKernel = void (*)(const Call&, Launcher&);', '',
    ...kernels.map((o) => `void ${o.name}_cuda(const Call&, Launcher&);`), '',
    '// In the order of the op table; null for views.', 'inline const CudaKernel kCudaKernels[kOpCount] = {',
    ...ops.map((o) => `    ${o.view ? 'nullptr' : `${o.name}_cuda`},`), '};', '', '}  // namespace ht::cuda', '',
  ].join('\n');
}

// ---- TypeScript -----------------------------------------------------------------------------------------------------

function typescript() {
  const out = ['// Generated from native/core/ops.json by scripts/generate-ops.mjs. Do not edit.', "import type { OpSchema } from './schema.ts';", '', `export const OP_TABLE_VERSION = ${table.version};`, ''];
  out.push(`export type OpName =\n${ops.map((o) => `  | '${o.name}'`).join('\n')};`, '', 'export const OPS: Readonly<Record<OpName, OpSchema>> = {');
  for (const o of ops) {
    const { stem, cpu, doc, ...rest } = o;
    out.push(`  ${o.name}: ${JSON.stringify(rest)},`);
  }
  out.push('};', '');
  return out.join('\n');
}

const check = process.argv.includes('--check');
let stale = false;
for (const [file, text] of [['native/core/ops.gen.h', header()], ['native/core/ops_cuda.gen.h', cudaHeader()], ['lib/graph/ops.gen.ts', typescript()]]) {
  const full = path.join(root, file);
  if (!check) writeFileSync(full, text);
  else if (!existsSync(full) || readFileSync(full, 'utf8') !== text) {
    stale = true;
    console.error(`${file} does not match native/core/ops.json: run 'npm run generate:ops'`);
  }
}
if (stale) process.exit(1);
