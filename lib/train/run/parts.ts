/** A configuration's parts on the models of a run: objectives with their data. */
import { rowOf } from '../../data/packing.ts';
import { HypertuneError } from '../../engine/errors.ts';
import type { HyperKind } from '../../hyper/config.ts';
import { partsOf } from '../../hyper/config.ts';
import type { Hypermodel } from '../../hyper/hypermodel.ts';
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';
import type { Part } from '../loop.ts';
import { hyperObjective, textObjective } from '../objectives.ts';
import type { EpisodeRows, ObjectiveOptions, TextRows } from '../objectives.ts';
import type { Optimizer } from '../optimizer.ts';
import type { RunConfig } from './config.ts';
import { needsHyper } from './config-parts.ts';
import type { PartConfig } from './config-parts.ts';
import type { ControlData, DataSources } from './data.ts';
import type { Models } from './models.ts';

/** Throws what opening the data throws, and CONFIG_INVALID for a part whose hypermodel is not there. */
export async function openParts(
  configs: readonly PartConfig[], { seed, train: { dropout, checkpointing } }: RunConfig, data: DataSources, models: Models, optimizer: Optimizer,
): Promise<Part[]> {
  const parts: Part[] = [];
  for (const config of configs) {
    const { engine, t5 } = models;
    const hyper = needsHyper(config) ? hypermodelOf(config.name, config.states, models) : undefined;
    const opened = await data.open(config, hyper?.config);
    const options: ObjectiveOptions = { checkpointing, ...(dropout && { dropout: { rate: dropout, seed: [seed, config.seed] } }) };
    const objective = opened.hyper
      ? hyperObjective(engine, t5.config, t5.parameters, hyper!, optimizer, opened.capacity, { ...options, parts: partsOf((needsHyper(config) ? config.states : null) ?? hyper!.config.kind) })
      : textObjective(engine, t5.config, t5.parameters, optimizer, opened.capacity, options);
    const controls = opened.hyper && opened.controls ? controlParts(config.name, objective, textObjective(engine, t5.config, t5.parameters, optimizer, opened.controls.capacity), opened.controls) : [];
    parts.push({ name: config.name, microbatches: config.microbatches, batch: opened.batch, objective, controls });
  }
  return parts;
}

/** The T5 alone, with another document's evidence, and with the evidence in its own input. */
function controlParts(name: string, hyper: Part['objective'], text: Part['objective'], { batch }: ControlData): Part[] {
  return [
    { name: `${name}.none`, objective: text, batch: (step, m) => batch(step, m).none },
    { name: `${name}.wrong`, objective: hyper, batch: (step, m) => batch(step, m).wrong },
    { name: `${name}.concat`, objective: text, batch: (step, m) => batch(step, m).concat },
  ];
}

function hypermodelOf(part: string, states: HyperKind | null, { hyper }: Models): Hypermodel {
  const found = states === null ? (hyper.size === 1 ? [...hyper.values()][0] : undefined) : (hyper.get(states) ?? hyper.get('both'));
  if (found) return found;
  throw new HypertuneError('CONFIG_INVALID', `part ${part} asks for ${states === null ? 'the only hypermodel' : `states "${states}"`}; the run has ${[...hyper.keys()].join(' and ')}.`, { field: 'states', remedy: 'Name the kind of one of them.' });
}

/** One row of a batch as text. */
export interface RowTexts {
  /** What the hypermodel reads for it. */
  evidence?: string;
  input: string;
  target: string;
}

export function textsOf(tokenizer: Tokenizer, batch: TextRows | EpisodeRows): RowTexts[] {
  const text = (ids: Int32Array) => tokenizer.decode(ids, { skipSpecialTokens: false });
  const labels = { ids: batch.labels, offsets: batch.decoder.offsets };
  return Array.from({ length: batch.encoder.offsets.length - 1 }, (_, r) => ({
    ...('hyper' in batch && { evidence: text(rowOf(batch.hyper, batch.setOfRow[r])) }),
    input: text(rowOf(batch.encoder, r)), target: text(rowOf(labels, r).filter((id) => id >= 0)),
  }));
}
