import { HypertuneError } from '../engine/errors.ts';

export type JsonObject = { readonly [key: string]: unknown };

/** Messages are given without their full stop. */
export function invalid(field: string, message: string, remedy?: string): HypertuneError {
  return new HypertuneError('CONFIG_INVALID', `${message}.`, { field, remedy });
}

export function unsupported(field: string, message: string, remedy?: string): HypertuneError {
  return new HypertuneError('CONFIG_UNSUPPORTED', `${message}.`, { field, remedy });
}

export function asObject(value: unknown, field: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(field, 'must be an object');
  return value as JsonObject;
}

export function asArray(value: unknown, field: string): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(field, 'must be an array');
  return value;
}

export function asString(value: unknown, field: string): string {
  if (typeof value !== 'string') throw invalid(field, 'must be a string');
  return value;
}

/** An absent or null boolean is `fallback`. */
export function asBoolean(value: unknown, fallback: boolean, field: string): boolean {
  if (value === undefined || value === null) return fallback;
  if (typeof value !== 'boolean') throw invalid(field, 'must be true or false');
  return value;
}

/** An integer in [0, limit). */
export function asIndex(value: unknown, limit: number, field: string): number {
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) >= limit) {
    throw invalid(field, `must be an integer from 0 to ${limit - 1}, is ${JSON.stringify(value)}`);
  }
  return value as number;
}
