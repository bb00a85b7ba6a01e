/** Adapters for rows that benches decode: a LoRA of rank 16 on every q and v, or a prefix of 32 rows at every self-attention. */
import { AdapterBank, slotId } from '../lib/adapters/bank.ts';
import type { Engine } from '../lib/engine/engine.ts';
import type { T5Config } from '../lib/t5/config.ts';
import type { Adaptation } from '../lib/t5/decoding/model.ts';
import { freshLayout, freshSlot } from '../lib/train/tune-start.ts';

/** `lora` and `prefix`: one for each row; `shared`: one LoRA for all of them. */
export const ADAPTER_KINDS = ['none', 'lora', 'shared', 'prefix'] as const;
export type AdapterKind = (typeof ADAPTER_KINDS)[number];
export const RANK = 16;
export const PREFIX = 32;

export interface RowAdapters {
  adaptation?: Adaptation;
  /** By row. */
  slots?: Int32Array;
}

/** Their bank lives as long as the engine. LoRA's B is 0, so that answers are those of the T5 alone. */
export async function openAdapters(engine: Engine, config: T5Config, kind: AdapterKind, rows: number): Promise<RowAdapters> {
  if (kind === 'none') return {};
  const bank = new AdapterBank(engine, config, { pageRank: RANK, pageLength: PREFIX });
  const layout = freshLayout(config, kind === 'prefix' ? { kind, length: PREFIX } : { kind: 'lora', rank: RANK });
  const slots: number[] = [];
  for (let r = 0; r < rows; r++) slots.push(r > 0 && kind === 'shared' ? slots[0] : slotId(await freshSlot(bank, layout, r)));
  return { adaptation: bank.adaptation('zero'), slots: Int32Array.from(slots) };
}
