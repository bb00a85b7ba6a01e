import { HypertuneError } from '../engine/errors.ts';

export type JsonObject = Record<string, unknown>;

interface Range {
  min?: number;
  max?: number;
}

/**
 * Typed access to one JSON configuration object. A field that is absent or null takes its default;
 * without a default it is required. A wrong type or value is CONFIG_INVALID and names the field.
 */
export class ConfigFields {
  readonly raw: JsonObject;
  readonly source: string;

  /** @param source what the messages call the object, for example `config.json` */
  constructor(raw: unknown, source: string) {
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
      throw new HypertuneError('CONFIG_INVALID', `${source} holds ${describe(raw)} where a JSON object belongs.`, {
        field: source,
      });
    }
    this.raw = raw as JsonObject;
    this.source = source;
  }

  /** The value, or undefined where it is absent or null. Inherited properties do not count. */
  get(name: string): unknown {
    return Object.hasOwn(this.raw, name) ? (this.raw[name] ?? undefined) : undefined;
  }

  integer(name: string, fallback?: number, range: Range = {}): number {
    return this.optionalInteger(name, range) ?? this.required(name, fallback, 'an integer');
  }

  optionalInteger(name: string, { min = 0, max = Number.MAX_SAFE_INTEGER }: Range = {}): number | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
      throw this.invalid(name, `an integer from ${min} to ${max}`);
    }
    return value as number;
  }

  number(name: string, fallback?: number, range: Range = {}): number {
    return this.optionalNumber(name, range) ?? this.required(name, fallback, 'a number');
  }

  optionalNumber(name: string, { min = -Infinity, max = Infinity }: Range = {}): number | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !Number.isFinite(value) || value < min || value > max) {
      throw this.invalid(name, `a number from ${min} to ${max}`);
    }
    return value;
  }

  boolean(name: string, fallback?: boolean): boolean {
    const value = this.get(name);
    if (value === undefined) return this.required(name, fallback, 'true or false');
    if (typeof value !== 'boolean') throw this.invalid(name, 'true or false');
    return value;
  }

  string(name: string, fallback?: string): string {
    return this.optionalString(name) ?? this.required(name, fallback, 'a string');
  }

  optionalString(name: string): string | undefined {
    const value = this.get(name);
    if (value !== undefined && typeof value !== 'string') throw this.invalid(name, 'a string');
    return value;
  }

  /** One non-negative id or a list of them, as `eos_token_id` comes in both forms. */
  ids(name: string, max = Number.MAX_SAFE_INTEGER): number[] | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    const list = Array.isArray(value) ? value : [value];
    if (!list.every((id) => Number.isSafeInteger(id) && id >= 0 && id <= max)) {
      throw this.invalid(name, `an id from 0 to ${max}, or a list of them`);
    }
    return [...(list as number[])];
  }

  invalid(name: string, expected: string): HypertuneError {
    return new HypertuneError('CONFIG_INVALID', `${this.source}: ${name} is ${describe(this.get(name))}; expected ${expected}.`, {
      field: name,
    });
  }

  unsupported(name: string, remedy: string): HypertuneError {
    return new HypertuneError('CONFIG_UNSUPPORTED', `${this.source}: ${name} ${describe(this.get(name))} is not supported.`, {
      field: name,
      remedy,
    });
  }

  private required<T>(name: string, fallback: T | undefined, expected: string): T {
    if (fallback === undefined) throw this.invalid(name, expected);
    return fallback;
  }
}

function describe(value: unknown): string {
  if (value === undefined || value === null) return 'missing';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
