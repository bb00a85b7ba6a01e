/** One object of a run's configuration: typed fields whose errors name the whole path, and no unknown ones. */
import { HypertuneError } from '../../engine/errors.ts';
import { ConfigFields } from '../../t5/fields.ts';
import type { JsonObject } from '../../t5/fields.ts';

export class Section extends ConfigFields {
  /** `parts[1].data[0]`; empty for the whole file. */
  readonly path: string;

  /** Throws CONFIG_INVALID for a value that is no object, and for a field that is not in `known`. */
  constructor(raw: unknown, source: string, path: string, known: readonly string[]) {
    super(requireObject(raw, source, path), source);
    this.path = path;
    for (const name of Object.keys(this.raw)) {
      if (known.includes(name)) continue;
      const near = nearestName(name, known);
      throw new HypertuneError('CONFIG_INVALID', `${source}: there is no field ${this.at(name)}.`, {
        field: this.at(name), remedy: near ? `Is ${this.at(near)} meant?` : `Known fields here: ${known.join(', ')}.`,
      });
    }
  }

  /** Path of a field of this object. */
  at(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  section(name: string, known: readonly string[]): Section | undefined {
    const value = this.get(name);
    return value === undefined ? undefined : new Section(value, this.source, this.at(name), known);
  }

  /** Objects of a list; absent: none. */
  sections(name: string, known: readonly string[]): Section[] {
    return this.list(name).map((item, i) => new Section(item, this.source, `${this.at(name)}[${i}]`, known));
  }

  /** The items of a list; absent: none. */
  list(name: string): unknown[] {
    const value = this.get(name) ?? [];
    if (!Array.isArray(value)) throw this.invalid(name, 'a list');
    return value;
  }

  /** A string, or a list of them. */
  strings(name: string): string[] | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    const list = Array.isArray(value) ? value : [value];
    if (list.length === 0 || !list.every((item) => typeof item === 'string' && item !== '')) throw this.invalid(name, 'a string or a list of strings');
    return list as string[];
  }

  oneOf<T extends string>(name: string, allowed: readonly T[], fallback?: T): T {
    const value = this.string(name, fallback);
    const found = allowed.find((a) => a === value);
    if (found === undefined) throw this.invalid(name, `one of ${allowed.map((a) => `"${a}"`).join(', ')}`);
    return found;
  }

  /** null where the field is absent. */
  oneOfOrNull<T extends string>(name: string, allowed: readonly T[]): T | null {
    return this.has(name) ? this.oneOf(name, allowed) : null;
  }

  /** An object whose values are non-negative numbers of a positive sum; `known` are its keys. */
  weights<K extends string>(name: string, known: readonly K[]): Partial<Record<K, number>> | undefined {
    const section = this.section(name, known);
    if (!section) return undefined;
    const entries = Object.keys(section.raw).map((key) => [key as K, section.number(key, undefined, { min: 0 })] as const);
    if (!(entries.reduce((sum, [, weight]) => sum + weight, 0) > 0)) throw this.invalid(name, 'weights of a positive sum');
    return Object.fromEntries(entries) as Partial<Record<K, number>>;
  }

  /** The error of a field whose value cannot be used. */
  override invalid(name: string, expected: string): HypertuneError {
    return new HypertuneError('CONFIG_INVALID', `${this.source}: ${this.at(name)} is ${describe(this.get(name))}; expected ${expected}.`, { field: this.at(name) });
  }
}

function requireObject(raw: unknown, source: string, path: string): JsonObject {
  if (typeof raw === 'object' && raw !== null && !Array.isArray(raw)) return raw as JsonObject;
  throw new HypertuneError('CONFIG_INVALID', `${source}: ${path || 'the file'} is ${describe(raw)}; expected an object.`, { field: path || source });
}

function describe(value: unknown): string {
  if (value === undefined || value === null) return 'missing';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}

/** The known name within two edits, or a third of the name, of `name`. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const ranked = known.map((k) => ({ k, distance: editDistance(name.toLowerCase(), k.toLowerCase()) })).sort((a, b) => a.distance - b.distance);
  return ranked.length > 0 && ranked[0].distance <= Math.max(2, name.length / 3) ? ranked[0].k : undefined;
}

/** Insertions, deletions and replacements from `a` to `b` (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + Number(a[i - 1] !== b[j - 1])));
    row = next;
  }
  return row[b.length];
}
