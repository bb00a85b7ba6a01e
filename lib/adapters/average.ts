/** The mean of adapters of one shape, value by value: one constant adapter in place of generated ones. */
import { HypertuneError } from '../engine/errors.ts';
import type { AdapterFile, AdapterPart } from '../files/adapter-file.ts';
import { siteName } from '../files/adapter-file.ts';

/** Throws ADAPTER_MISMATCH where they differ in linears, ranks, scales, sites or lengths. */
export function average(files: readonly AdapterFile[]): AdapterFile {
  if (files.length === 0) throw new HypertuneError('ARGUMENT_INVALID', 'there is no adapter to average.', { field: 'adapters' });
  const [first] = files;
  const shape = shapeOf(first);
  if (files.some((file) => shapeOf(file) !== shape)) throw new HypertuneError('ADAPTER_MISMATCH', 'adapters of different shapes have no mean.', { field: 'adapters', remedy: 'Average adapters that one method wrote.' });
  const all = files.map((file) => partsOf(file).map(valuesOf));
  const parts = partsOf(first).map((part, p) => {
    const means = valuesOf(part).map((_, v) => meanOf(all.map((file) => file[p][v])));
    return withValues(part, means);
  });
  return first.kind === 'combined' ? { ...first, parts } : parts[0];
}

function partsOf(file: AdapterFile): readonly AdapterPart[] {
  return file.kind === 'combined' ? file.parts : [file];
}

function shapeOf(file: AdapterFile): string {
  return JSON.stringify(partsOf(file).map((part) => {
    if (part.kind === 'lora') return part.modules.map(({ path, rank, scale }) => [path, rank, scale]);
    if (part.kind === 'prefix') return [part.length, part.biasPolicy, part.sites.map(siteName)];
    return [part.length, part.width];
  }));
}

function valuesOf(part: AdapterPart): Float32Array[] {
  if (part.kind === 'lora') return part.modules.flatMap(({ a, b }) => [a, b]);
  if (part.kind === 'prefix') return part.sites.flatMap(({ k, v }) => [k, v]);
  return [part.embeddings];
}

function withValues(part: AdapterPart, values: readonly Float32Array[]): AdapterPart {
  if (part.kind === 'lora') return { ...part, modules: part.modules.map((m, i) => ({ ...m, a: values[2 * i], b: values[2 * i + 1] })) };
  if (part.kind === 'prefix') return { ...part, sites: part.sites.map((s, i) => ({ ...s, k: values[2 * i], v: values[2 * i + 1] })) };
  return { ...part, embeddings: values[0] };
}

/** Summed in fp64. */
function meanOf(rows: readonly Float32Array[]): Float32Array {
  return rows[0].map((_, i) => rows.reduce((sum, row) => sum + row[i], 0) / rows.length);
}
