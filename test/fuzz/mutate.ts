/** Seeded damage to files: bytes that are flipped, cut, moved and repeated, and JSON that stays JSON but says something else. */
import type { Random } from '../../lib/data/random.ts';

const ODD_NUMBERS = [0, -0, -1, 1, 2, 3, 7, 8, 255, 0.5, 1e-9, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 1e300, -1e300];
const ODD_STRINGS = ['', ' ', 'F32', 'f32', '__proto__', 'constructor', 'toString', '\u0000', '\ud800', '▁', '<0x00>', '(', '(a+)+$', '.*', '../x', 'a'.repeat(5000)];
const ODD_BYTES = [0, 1, 0x7f, 0x80, 0xff, 0x22, 0x5b, 0x7b, 0x7d, 0x0a];

export function mutateBytes(bytes: Uint8Array, random: Random): Uint8Array {
  let out = new Uint8Array(bytes); // a copy, also of a Buffer, whose slice() is none
  for (let changes = 1 + random.int(3); changes > 0 && out.length > 0; changes--) {
    const at = random.int(out.length);
    const kind = random.int(7);
    if (kind === 0) out[at] ^= 1 << random.int(8);
    else if (kind === 1) out[at] = random.choice(ODD_BYTES);
    else if (kind === 2) out = out.slice(0, at);
    else if (kind === 3) out.copyWithin(at, random.int(out.length), out.length);
    else if (kind === 4) out.fill(random.choice(ODD_BYTES), at, at + 1 + random.int(8));
    else if (kind === 5) out = Uint8Array.from([...out.subarray(0, at), ...out.subarray(random.int(out.length))]);
    else if (at + 4 <= out.length) new DataView(out.buffer).setInt32(at, random.choice([0, -1, 2 ** 31 - 1, -(2 ** 31), out.length]), true);
  }
  return out;
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
interface Place {
  parent: Json[] | { [key: string]: Json };
  key: number | string;
}

/** Every place of a value, from the outside in. */
function places(value: Json, found: Place[] = []): Place[] {
  if (typeof value !== 'object' || value === null) return found;
  for (const key of Array.isArray(value) ? value.keys() : Object.keys(value)) {
    found.push({ parent: value, key });
    places((value as never)[key], found);
  }
  return found;
}

function oddValue(random: Random, others: readonly Place[]): Json {
  const kind = random.int(6);
  if (kind === 0) return random.choice([null, true, false]);
  if (kind === 1) return random.choice<Json>([[], {}, [[]], [null], { a: 1 }]);
  if (kind === 2) return random.choice(ODD_STRINGS);
  if (kind === 3) return random.choice(ODD_NUMBERS);
  const { parent, key } = random.choice(others); // a value of the same file in the wrong place
  return structuredClone((parent as never)[key]);
}

/** A changed copy. Keys of one object may come to differ in case only, or be missing; the order may change. */
export function mutateJson(json: unknown, random: Random): unknown {
  const root = { value: structuredClone(json) as Json };
  for (let changes = 1 + random.int(3); changes > 0; changes--) {
    const all = places(root as never);
    // Large vocabularies would take all the changes.
    const shallow = all.filter(({ parent }) => !Array.isArray(parent) || parent.length < 20);
    const { parent, key } = random.choice(random.chance(0.8) && shallow.length ? shallow : all);
    const at = parent as Record<number | string, Json>;
    const kind = random.int(8);
    const old = at[key];
    if (kind === 0 && key !== 'value') Array.isArray(parent) ? parent.splice(key as number, 1) : delete at[key];
    else if (kind === 1 && Array.isArray(parent)) parent.push(structuredClone(old));
    else if (kind === 2 && !Array.isArray(parent)) at[random.choice(ODD_STRINGS)] = structuredClone(old);
    else if (kind === 3 && typeof old === 'number') at[key] = old + random.choice([-8, -1, 1, 4, 0.5]);
    else if (kind === 4 && typeof old === 'string') at[key] = old.slice(0, random.int(old.length + 1)) + random.choice(ODD_STRINGS);
    else if (kind === 5 && Array.isArray(old)) old.reverse();
    else at[key] = oddValue(random, all);
  }
  return root.value;
}
