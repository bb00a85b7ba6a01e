/** One generate call: encode, then decode with whatever search the settings ask for. */
import type { Program } from '../../graph/index.ts';
import { candidatesKept } from './beam-row.ts';
import { decodeBeams } from './beam-search.ts';
import type { ContextPool } from './context-pool.ts';
import type { DecodedModel } from './model.ts';
import type { DecodeSettings } from './options.ts';
import type { Packed } from './packing.ts';
import { beamProgram, encodeProgram, samplingProgram } from './programs.ts';
import { rulesKey } from './rules.ts';
import { decodeSamples } from './sampling.ts';
import type { Generated } from './sampling.ts';
import { checkSlots, slotsFeed } from './slots.ts';

export interface GenerateRequest {
  inputs: Packed;
  /** [inputs] */
  slots: Int32Array;
  settings: DecodeSettings;
  signal?: AbortSignal;
  onStep?: (tokens: Int32Array) => void;
}

export async function generate(model: DecodedModel, contexts: ContextPool, request: GenerateRequest): Promise<Generated> {
  const { inputs, slots, settings, signal, onStep } = request;
  const { eos, pad, rules, beams, returned } = settings;
  const [tokens, rows] = [inputs.ids.length, inputs.offsets.length - 1];
  const searching = beams > 1;
  const context = contexts.acquire({ rows: rows * (searching ? beams : returned), tokens, length: settings.limit });
  try {
    // Both programs are compiled before anything runs: they see the same states, even if these change meanwhile.
    const structure = model.adaptation?.key() ?? '';
    const compiled = <F extends string>(key: string, compile: () => Program<F>) => contexts.withRoom(() => context.programs.get(structure, key, compile));
    const encode = compiled('encode', () => encodeProgram(model, context));
    const k = Math.min(candidatesKept(settings), model.config.vocabSize);
    const step = `${eos.length} ${rulesKey(rules)}`;
    const search = searching ? compiled(`beams ${k} ${step}`, () => beamProgram(model, context, eos.length, k, rules)) : undefined;
    const sampling = searching ? undefined : compiled(`sample ${pad} ${step}`, () => samplingProgram(model, context, eos.length, pad, rules));
    const program = (sampling ?? search)!;
    checkSlots(slots, [encode, program]);

    const { ids, offsets } = inputs;
    await encode.run({ symbols: { T: tokens, E: rows }, feeds: { ids, offsets, ...slotsFeed(encode, 'slots', slots) }, signal });
    const memoryRow = repeated(rows, searching ? 1 : returned);
    const decoded = { memoryOffsets: offsets, memoryRow, slots: memoryRow.map((m) => slots[m]), signal };
    return search ? await decodeBeams(context, search, decoded, settings) : await decodeSamples(context, sampling!, decoded, settings, onStep);
  } finally {
    contexts.release(context);
  }
}

/** 0, 0, .., 1, 1, ..: each row `copies` times. */
function repeated(rows: number, copies: number): Int32Array {
  return Int32Array.from({ length: rows * copies }, (_, r) => Math.floor(r / copies));
}
