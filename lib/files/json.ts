import { readFile } from 'node:fs/promises';
import { HypertuneError } from '../engine/errors.ts';
import { fileError } from './io.ts';

/** Text of UTF-8 bytes; a byte sequence that is not UTF-8 is FILE_FORMAT. A byte order mark is kept, and JSON refuses it. */
export function decodeUtf8(bytes: Uint8Array, source: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new HypertuneError('FILE_FORMAT', `${source} is not valid UTF-8.`, { field: source, cause });
  }
}

/**
 * JSON.parse that also refuses a key that occurs twice in one object (the second would silently win).
 * Throws FILE_FORMAT; `source` names the file in the message.
 */
export function parseJson(text: string, source: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new HypertuneError('FILE_FORMAT', `${source} is not valid JSON (${(cause as Error).message}).`, {
      field: source,
      cause,
    });
  }
  const twice = findDuplicateKey(text);
  if (twice !== undefined) {
    throw new HypertuneError('FILE_FORMAT', `${source} has the key ${quote(twice)} twice in one object.`, {
      field: quote(twice),
    });
  }
  return value;
}

/** Reads and parses a small JSON file. Throws FILE_NOT_FOUND, FILE_IO or FILE_FORMAT. */
export async function readJson(path: string): Promise<unknown> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw fileError(cause, path, 'read');
  }
  return parseJson(decodeUtf8(bytes, path), path);
}

/** Looks only at strings, braces and colons, which is enough because the text is known to be valid JSON. */
function findDuplicateKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  const mark = /[{}"]/g; // the rest is skipped by the regular expression, tokenizers' long strings by indexOf
  for (let found = mark.exec(text); found; found = mark.exec(text)) {
    if (found[0] === '{') open.push(new Set());
    else if (found[0] === '}') open.pop();
    else {
      const end = endOfString(text, found.index);
      mark.lastIndex = end + 1;
      if (!isFollowedByColon(text, end + 1)) continue;
      const key = JSON.parse(text.slice(found.index, end + 1)) as string;
      const keys = open[open.length - 1];
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

/** The closing quote of the string that begins at `begin`. */
function endOfString(text: string, begin: number): number {
  for (let end = text.indexOf('"', begin + 1); ; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text[end - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return end;
  }
}

function isFollowedByColon(text: string, from: number): boolean {
  let i = from;
  while (text[i] === ' ' || text[i] === '\n' || text[i] === '\r' || text[i] === '\t') i++;
  return text[i] === ':';
}

/** A value from a file as JSON for a message, cut where a hostile file would make it long. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 120 ? `${text.slice(0, 120)}...` : text;
}

/** JSON with the keys of every object sorted, as Hugging Face libraries write configurations. */
export function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value as Record<string, unknown>).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sortKeys(inner)]));
}
