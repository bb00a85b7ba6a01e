/** What of a model is trained, and at which learning rate and weight decay, by parameter name. */
import { HypertuneError } from '../engine/errors.ts';
import type { T5Config } from '../t5/config.ts';
import type { Parameter } from '../t5/parameters.ts';
import type { TrainedParameter } from './optimizer.ts';

export interface ParameterRule {
  /**
   * Names it is for: a glob over the whole name (`*` any characters, `?` one), or a regular expression found anywhere in it,
   * given as a RegExp or, in a file, as text between slashes: `/block\.[01]\./`.
   */
  match: string | RegExp;
  /** Multiplies the learning rate, on top of `rates`. */
  lr?: number;
  /** The parameters stay as they are. */
  freeze?: boolean;
  /** Replaces the weight decay of what decays at all: vectors and position biases never do. */
  weightDecay?: number;
}

export interface ParameterOptions {
  /** Default 0.01. */
  weightDecay?: number;
  /** Names that stay as they are. */
  frozen?: (name: string) => boolean;
  /** Of each parameter the first rule that matches counts. */
  rules?: readonly ParameterRule[];
  /**
   * `adam` (default): rates by kind of parameter, as below. `equal`: one rate, for optimisers whose steps are relative to the
   * size of the parameter (Adafactor with scaleParameter).
   */
  rates?: 'adam' | 'equal';
}

const BIAS_RATE = 10;

/**
 * Adam moves every entry by about the learning rate, whatever its size. T5 draws q with std (d d_kv)^-0.5 because its scores
 * have no 1/sqrt(d_k), so q gets a rate d_kv^-0.5 smaller: the same as training with scaled scores and folding the factor
 * into q. The bias table needs values of several units, so it gets ten times the rate. Neither it nor any vector decays.
 *
 * Nothing has to be folded on export: the weights are those of T5's own unscaled scores at every step, only their rates
 * differ. (With scaled scores q would be sqrt(d_kv) larger, and would have to be divided.)
 */
export function trainedParameters(parameters: readonly Parameter[], config: T5Config, options: ParameterOptions = {}): TrainedParameter[] {
  const { weightDecay = 0.01, frozen = () => false, rules = [], rates = 'adam' } = options;
  const trained = parameters
    .filter(({ name }) => !frozen(name))
    .map((parameter) => {
      const bias = isBias(parameter);
      const query = parameter.name.endsWith('Attention.q.weight');
      const lrScale = rates === 'equal' ? 1 : bias ? BIAS_RATE : query ? config.dKv ** -0.5 : 1;
      return { ...parameter, lrScale, weightDecay: decays(parameter) ? weightDecay : 0 };
    });
  return applyRules(trained, rules);
}

/**
 * Freezes, speeds up and slows down parameters by name; the first rule that matches counts. Throws CONFIG_INVALID, naming the
 * field below `field`, for a rule that cannot be read and for one that is the first of no parameter.
 */
export function applyRules(parameters: readonly TrainedParameter[], rules: readonly ParameterRule[], field = 'rules'): TrainedParameter[] {
  const tests = rules.map((rule, i) => readRule(rule, `${field}[${i}]`));
  const used = new Set<number>();
  const kept = parameters.flatMap((parameter) => {
    const i = tests.findIndex((test) => test(parameter.name));
    if (i < 0) return [parameter];
    used.add(i);
    const { freeze = false, lr = 1, weightDecay = parameter.weightDecay } = rules[i];
    if (freeze) return [];
    return [{ ...parameter, lrScale: parameter.lrScale * lr, weightDecay: decays(parameter) ? weightDecay : 0 }];
  });
  for (const [i, { match }] of rules.entries()) {
    if (used.has(i)) continue;
    const hidden = parameters.some(({ name }) => tests[i](name));
    throw new HypertuneError('CONFIG_INVALID', `${field}[${i}].match: ${hidden ? `earlier rules take every parameter that ${String(match)} matches` : `no parameter is called ${String(match)}`}.`, {
      field: `${field}[${i}].match`,
      remedy: hidden ? 'Move it up: the first rule that matches a parameter counts.' : `Names look like ${parameters[0]?.name ?? 'encoder.block.0.layer.0.SelfAttention.q.weight'}.`,
    });
  }
  return kept;
}

const isBias = ({ name }: Parameter) => name.endsWith('relative_attention_bias.weight');
const decays = (parameter: Parameter) => parameter.shape.length >= 2 && !isBias(parameter);

function readRule({ match, lr, freeze, weightDecay }: ParameterRule, field: string): (name: string) => boolean {
  for (const [name, value] of Object.entries({ lr, weightDecay }))
    if (value !== undefined && !(Number.isFinite(value) && value >= 0)) throw new HypertuneError('CONFIG_INVALID', `${field}.${name} is ${value}, not a number from 0 on.`, { field: `${field}.${name}` });
  if (freeze && (lr !== undefined || weightDecay !== undefined)) throw new HypertuneError('CONFIG_INVALID', `${field} freezes what it also gives a rate or decay.`, { field: `${field}.freeze` });
  const pattern = readPattern(match, `${field}.match`);
  return (name) => pattern.test(name);
}

function readPattern(match: string | RegExp, field: string): RegExp {
  // Without g and y, which would make `test` depend on the call before.
  if (match instanceof RegExp) return new RegExp(match.source, match.flags.replace(/[gy]/g, ''));
  const source = /^\/(.+)\/$/.exec(match)?.[1];
  if (source === undefined) return new RegExp(`^${match.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*').replaceAll('?', '.')}$`);
  try {
    return new RegExp(source);
  } catch (cause) {
    throw new HypertuneError('CONFIG_INVALID', `${field}: ${(cause as Error).message}.`, { field, cause });
  }
}
