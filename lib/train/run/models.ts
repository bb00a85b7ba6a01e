/** The models of a run on its engine: loaded or drawn, with the parameters that train. */
import { HypertuneError } from '../../engine/errors.ts';
import type { DeviceBuffer, Engine } from '../../engine/engine.ts';
import { Random } from '../../data/random.ts';
import { loadT5 } from '../../files/load-t5.ts';
import { parseHyperConfig } from '../../hyper/config.ts';
import type { HyperKind } from '../../hyper/config.ts';
import { loadHypermodel } from '../../hyper/files.ts';
import { allocateHypermodel } from '../../hyper/hypermodel.ts';
import type { Hypermodel } from '../../hyper/hypermodel.ts';
import { inheritHypermodel, initializeHypermodel } from '../../hyper/init.ts';
import type { T5Config } from '../../t5/config.ts';
import { parseT5Config } from '../../t5/config.ts';
import type { FloatType } from '../../graph/index.ts';
import type { Parameter } from '../../t5/parameters.ts';
import { Parameters, allocateT5 } from '../../t5/parameters.ts';
import { Tokenizer } from '../../tokenizer/tokenizer.ts';
import { initializeT5 } from '../init.ts';
import type { TrainedParameter } from '../optimizer.ts';
import { applyRules, trainedParameters } from '../parameters.ts';
import type { RunConfig } from './config.ts';

export interface Models {
  engine: Engine;
  tokenizer: Tokenizer;
  /** Folder that the tokenizer came from. */
  tokenizerFolder: string;
  t5: { config: T5Config; parameters: Parameters };
  hyper: ReadonlyMap<HyperKind, Hypermodel>;
}

/** Throws FILE_*, CONFIG_*, TENSOR_*, TOKENIZER_MISMATCH, and CONFIG_INVALID for two hypermodels of one kind. */
export async function openModels(engine: Engine, config: RunConfig): Promise<Models> {
  const { seed, dtype, train } = config;
  const tokenizerFolder = 'folder' in config.t5 ? config.t5.folder : config.t5.tokenizer;
  const tokenizer = await Tokenizer.fromFolder(tokenizerFolder);
  const t5 = await openT5(engine, config, dtype, !train.t5);
  if (tokenizer.vocabSize > t5.config.vocabSize) {
    throw new HypertuneError('TOKENIZER_MISMATCH', `the tokenizer has ${tokenizer.vocabSize} pieces, the embedding ${t5.config.vocabSize} rows.`, { field: 't5', remedy: 'Take the tokenizer that belongs to the model.' });
  }
  const hyper = new Map<HyperKind, Hypermodel>();
  for (const [i, start] of config.hyper.entries()) {
    const opened = 'folder' in start ? await loadHypermodel(engine, start.folder, t5.config, { frozen: !train.hyper }) : allocateHypermodel(engine, parseHyperConfig(start.config), t5.config, !train.hyper);
    const { kind } = opened.config;
    if (hyper.has(kind)) throw new HypertuneError('CONFIG_INVALID', `hyper[${i}] is a second hypermodel of kind ${kind}.`, { field: `hyper[${i}]` });
    hyper.set(kind, opened);
    if ('folder' in start) continue;
    await initializeHypermodel(opened, t5.parameters, Random.stream(seed, 'init', kind));
    if (start.inherit === null) continue;
    const parent = await loadHypermodel(engine, start.inherit, t5.config);
    await inheritHypermodel(opened, parent);
    parent.parameters.dispose();
  }
  return { engine, tokenizer, tokenizerFolder, t5, hyper };
}

async function openT5(engine: Engine, { seed, t5 }: RunConfig, dtype: FloatType, frozen: boolean): Promise<Models['t5']> {
  if ('folder' in t5) return loadT5(engine, t5.folder, { dtype, frozen });
  const config = parseT5Config(t5.config, 't5.config');
  const parameters = allocateT5(engine, config, dtype, false);
  await initializeT5(parameters, config, Random.stream(seed, 'init', 't5'));
  return { config, parameters };
}

/**
 * What trains, named `t5.<name>` and `hyper-<kind>.<name>`, as a hypermodel has T5's names too. bf16 matrices get masters with
 * the exact values that the matrices were rounded from. Throws CONFIG_INVALID naming a rule that matches nothing.
 */
export async function openTrained(config: RunConfig, { engine, t5, hyper }: Models): Promise<TrainedParameter[]> {
  const { train, optimizer, dtype } = config;
  const rates = optimizer.kind === 'adafactor' && optimizer.scaleParameter ? 'equal' : 'adam';
  const named = (prefix: string, parameters: Parameters) =>
    trainedParameters(parameters.all(), t5.config, { weightDecay: optimizer.weightDecay, rates }).map((p) => ({ ...p, name: `${prefix}.${p.name}` }));
  const all = [...(train.t5 ? named('t5', t5.parameters) : []), ...(train.hyper ? [...hyper].flatMap(([kind, { parameters }]) => named(`hyper-${kind}`, parameters)) : [])];
  const trained = applyRules(all, train.rules, 'train.rules');
  if (!train.t5 || dtype === 'f32') return trained;
  const exact = (await openT5(engine, config, 'f32', false)).parameters;
  const masters = new Map(trained.filter((p) => p.buffer.dtype === 'bf16').map((p) => [p.name, exact.get(p.name.slice('t5.'.length)).buffer]));
  const held = new Set(masters.values());
  for (const { buffer } of exact.all()) if (!held.has(buffer)) buffer.dispose();
  return trained.map((p) => (masters.has(p.name) ? { ...p, master: masters.get(p.name) } : p));
}

/** The same models with other buffers for some parameters (averages, masters), by the names of `openTrained`. */
export function withBuffers(models: Models, buffers: ReadonlyMap<string, DeviceBuffer>): Models {
  const swapped = (prefix: string, parameters: Parameters) =>
    Parameters.of(parameters.engine, parameters.all().map((p): Parameter => ({ ...p, buffer: buffers.get(`${prefix}.${p.name}`) ?? p.buffer })));
  return {
    ...models, t5: { ...models.t5, parameters: swapped('t5', models.t5.parameters) },
    hyper: new Map([...models.hyper].map(([kind, hyper]) => [kind, { ...hyper, parameters: swapped(`hyper-${kind}`, hyper.parameters) }])),
  };
}
