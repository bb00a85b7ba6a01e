/** What a training run is: one JSON object. The resolved form, with every default filled in, reads back as itself. */
import path from 'node:path';
import type { DeviceName } from '../../engine/engine.ts';
import { HypertuneError } from '../../engine/errors.ts';
import { readJson } from '../../files/json.ts';
import { parseHyperConfig, serializeHyperConfig } from '../../hyper/config.ts';
import { parseT5Config } from '../../t5/config.ts';
import type { JsonObject } from '../../t5/fields.ts';
import type { FloatType } from '../../graph/index.ts';
import type { Schedule } from '../schedule.ts';
import { needsHyper, parseParts } from './config-parts.ts';
import type { PartConfig } from './config-parts.ts';
import { parseOptimizer, parseSchedule, parseTrain } from './config-training.ts';
import type { OptimizerConfig, TrainConfig } from './config-training.ts';
import { Section } from './section.ts';

/** A hypermodel to start from: a folder, or a configuration, with values drawn for the T5 or taken over, as far as they fit, from the folder `inherit`. */
export type HyperStart = { folder: string } | { config: JsonObject; inherit: string | null };

export interface RunConfig {
  /** Folder of the run. */
  output: string;
  seed: number;
  device: DeviceName;
  /** null: as many as the process uses already. */
  threads: number | null;
  /** Type of the T5's matrices in memory; bf16 ones that train have f32 masters. */
  dtype: FloatType;
  /** With `config` the values are drawn, and the tokenizer comes from a folder of its own. */
  t5: { folder: string } | { config: JsonObject; tokenizer: string };
  /** At most one of each kind. */
  hyper: HyperStart[];
  train: TrainConfig;
  parts: PartConfig[];
  optimizer: OptimizerConfig;
  schedule: Required<Schedule>;
  /** Steps between checkpoints, and how many of them stay. */
  checkpoint: { every: number; keep: number };
  /** null: none. The same `batches` of each part every time. */
  validate: { every: number; batches: number; parts: PartConfig[] } | null;
  /** Ends the run after `patience` validations in a row that did not lower the best loss by more than `minDelta`. */
  earlyStop: { patience: number; minDelta: number } | null;
  metrics: { tensorboard: boolean };
  export: ExportConfig;
}

export interface ExportConfig {
  folder: string;
  /** null: what trained as f32, a frozen T5 as its files were. */
  dtype: FloatType | null;
  /** Of the last step, or of the best validation. */
  from: 'last' | 'best';
  /** Whether the average of the weights is exported. */
  average: boolean;
}

const FIELDS = ['output', 'seed', 'device', 'threads', 'dtype', 't5', 'hyper', 'train', 'parts', 'optimizer', 'schedule', 'checkpoint', 'validate', 'earlyStop', 'metrics', 'export'];
/** Validation draws from streams that no training part uses. */
const VALIDATION_SEED = 500_000;

/** Reads a configuration file; its paths are relative to the file. Throws as `parseRunConfig`, and FILE_NOT_FOUND, FILE_IO, FILE_FORMAT. */
export async function readRunConfig(file: string): Promise<RunConfig> {
  return parseRunConfig(await readJson(file), file, path.dirname(path.resolve(file)));
}

/**
 * The resolved configuration; relative paths start at `from`. Throws CONFIG_INVALID (CONFIG_UNSUPPORTED for values of models that
 * are not implemented) with the path of the field, and for unknown fields with the nearest known name.
 */
export function parseRunConfig(json: unknown, source = 'config', from = process.cwd()): RunConfig {
  const s = new Section(json, source, '', FIELDS);
  const output = path.resolve(from, s.string('output'));
  const seed = s.integer('seed', 1);
  const hyper = parseHyper(s, from);
  const parts = parseParts(s, 'parts', seed, from);
  const optimizer = parseOptimizer(s);
  const checkpoint = s.section('checkpoint', ['every', 'keep']);
  const stop = s.section('earlyStop', ['patience', 'minDelta']);
  const earlyStop = stop ? { patience: stop.integer('patience', 5, { min: 1 }), minDelta: stop.number('minDelta', 0, { min: 0 }) } : null;
  const config: RunConfig = {
    output, seed, device: s.oneOf('device', ['auto', 'cpu', 'cuda', 'reference'], 'auto'), threads: s.optionalInteger('threads', { min: 1, max: 1024 }) ?? null,
    dtype: s.oneOf('dtype', ['f32', 'bf16'], 'f32'), t5: parseT5(s, from), hyper, train: parseTrain(s, hyper.length), parts, optimizer, schedule: parseSchedule(s),
    checkpoint: { every: checkpoint?.integer('every', 500, { min: 1 }) ?? 500, keep: checkpoint?.integer('keep', 2, { min: 1 }) ?? 2 },
    validate: parseValidate(s, parts, seed, from), earlyStop, metrics: { tensorboard: s.section('metrics', ['tensorboard'])?.boolean('tensorboard', false) ?? false },
    export: parseExport(s, output, from, optimizer.average !== null, earlyStop !== null),
  };
  checkTogether(s, config);
  return config;
}

function parseT5(s: Section, from: string): RunConfig['t5'] {
  const t = s.section('t5', ['folder', 'config', 'tokenizer']);
  if (!t) throw s.invalid('t5', '{ "folder": ... }, or { "config": ..., "tokenizer": ... }');
  if (t.has('folder') === t.has('config')) throw t.invalid('folder', 'either folder or config');
  if (t.has('folder')) {
    if (t.has('tokenizer')) throw t.invalid('tokenizer', 'none beside folder, which has one');
    return { folder: path.resolve(from, t.string('folder')) };
  }
  below('t5.config', () => parseT5Config(t.get('config'), s.source));
  return { config: t.get('config') as JsonObject, tokenizer: path.resolve(from, t.string('tokenizer')) };
}

/** Errors of a model's own configuration, with the path at which it stands in this one. */
function below<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof HypertuneError)) throw error;
    throw new HypertuneError(error.code, error.message, { field: `${path}.${error.field}`, cause: error });
  }
}

function parseHyper(s: Section, from: string): HyperStart[] {
  const value = s.get('hyper');
  const items = value === undefined ? [] : Array.isArray(value) ? value : [value];
  return items.map((item, i) => {
    const h = new Section(item, s.source, Array.isArray(value) ? `hyper[${i}]` : 'hyper', ['folder', 'config', 'inherit']);
    if (h.has('folder') === h.has('config')) throw h.invalid('folder', 'either folder or config');
    if (h.has('folder') && h.has('inherit')) throw h.invalid('inherit', 'a configuration beside it');
    if (h.has('folder')) return { folder: path.resolve(from, h.string('folder')) };
    const resolved = serializeHyperConfig(below(h.at('config'), () => parseHyperConfig(h.get('config'), s.source)));
    h.section('config', Object.keys(resolved)); // refuses fields that no hypermodel has
    const inherit = h.optionalString('inherit');
    return { config: resolved, inherit: inherit === undefined ? null : path.resolve(from, inherit) };
  });
}

function parseValidate(s: Section, parts: readonly PartConfig[], seed: number, from: string): RunConfig['validate'] {
  const v = s.section('validate', ['every', 'batches', 'parts']);
  if (!v) return null;
  const own = v.has('parts') ? parseParts(v, 'parts', seed + VALIDATION_SEED, from) : parts.map((part) => ({ ...part, seed: part.seed + VALIDATION_SEED }));
  return { every: v.integer('every', 500, { min: 1 }), batches: v.integer('batches', 4, { min: 1 }), parts: own };
}

function parseExport(s: Section, output: string, from: string, averages: boolean, stopsEarly: boolean): ExportConfig {
  const x = s.section('export', ['folder', 'dtype', 'from', 'average']) ?? new Section({}, s.source, 'export', []);
  const average = x.boolean('average', averages);
  if (average && !averages) throw x.invalid('average', 'false, or optimizer.average beside it');
  return { folder: path.resolve(from, x.string('folder', path.join(output, 'model'))), dtype: x.oneOfOrNull<FloatType>('dtype', ['f32', 'bf16']), from: x.oneOf('from', ['last', 'best'], stopsEarly ? 'best' : 'last'), average };
}

/** What no field alone can tell. */
function checkTogether(s: Section, config: RunConfig): void {
  const { hyper, train, parts, validate, earlyStop } = config;
  const refuse = (field: string, message: string) => new HypertuneError('CONFIG_INVALID', `${s.source}: ${field}: ${message}`, { field });
  if (parts.length === 0) throw s.invalid('parts', 'a list of at least one part');
  if (validate?.parts.length === 0) throw refuse('validate.parts', 'there is nothing to validate on; give a part, or leave the field out.');
  if (train.hyper && hyper.length === 0) throw refuse('train.hyper', 'there is no hypermodel to train; give hyper.');
  if (!train.t5 && !train.hyper) throw refuse('train', 'nothing is trained.');
  if (earlyStop && !validate) throw refuse('earlyStop', 'there is nothing to decide by; give validate.');
  if (config.export.from === 'best' && !validate) throw refuse('export.from', 'no step is the best without validation; give validate.');
  for (const [i, part] of parts.entries()) {
    if (needsHyper(part) && hyper.length === 0) throw refuse(`parts[${i}].kind`, `a part of kind ${part.kind} needs a hypermodel; give hyper.`);
    if (!needsHyper(part) && !train.t5) throw refuse(`parts[${i}].kind`, `a part of kind ${part.kind} trains the T5, which is frozen.`);
  }
}
