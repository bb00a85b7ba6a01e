/** Runs mutants of one target. A mutant has a number: the seed and it give its bytes. */
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Random } from '../../lib/data/random.ts';
import { HypertuneError } from '../../lib/engine/errors.ts';
import { TARGETS } from './targets.ts';
import type { Target } from './targets.ts';

const CORPUS = path.join(path.dirname(new URL(import.meta.url).pathname), 'corpus');

export interface Outcome {
  mutants: number;
  accepted: number;
  /** Refusals by their code. */
  codes: Record<string, number>;
}

/** One file; null where it is accepted, else the code it is refused with. Throws what is neither. */
async function outcome(target: Target, bytes: Uint8Array): Promise<string | null> {
  try {
    await target.read(bytes);
    return null;
  } catch (error) {
    if (!(error instanceof HypertuneError) || error.code === 'INTERNAL') throw error;
    return error.code;
  }
}

/** Files that were wrongly read once. */
export function kept(name: string): Uint8Array[] {
  try {
    return readdirSync(path.join(CORPUS, name)).sort().map((file) => readFileSync(path.join(CORPUS, name, file)));
  } catch {
    return [];
  }
}

/** Kept files, the seeds, then mutants while `goOn` says so. A mutant that breaks the reader goes into the corpus. */
export async function fuzz(name: string, seed: number, goOn: (mutants: number) => boolean): Promise<Outcome> {
  const target = TARGETS[name]();
  for (const bytes of kept(name)) await outcome(target, bytes);
  for (const [i, bytes] of target.seeds.entries()) if (await outcome(target, bytes)) throw new Error(`seed ${i} of ${name} is refused`);
  const result: Outcome = { mutants: 0, accepted: 0, codes: {} };
  for (; goOn(result.mutants); result.mutants++) {
    const random = Random.stream(seed, name, result.mutants);
    const bytes = target.mutate(random.choice(target.seeds), random);
    try {
      const code = await outcome(target, bytes);
      if (code === null) result.accepted++;
      else result.codes[code] = (result.codes[code] ?? 0) + 1;
    } catch (cause) {
      const file = path.join(CORPUS, name, `${seed}-${result.mutants}`);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, bytes);
      throw new Error(`mutant ${result.mutants} of ${name} with seed ${seed} breaks the reader; it is kept as ${file}: ${String(cause)}`, { cause });
    }
  }
  return result;
}
