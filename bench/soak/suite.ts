/** What a soak suite is: it works for a while and says which figures have limits. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Figure {
  what: string;
  value: number;
  unit: string;
  most?: number;
  least?: number;
}

export interface Suite {
  /** What it does, for the report. */
  title: string;
  /** `size` 1 is the whole suite; CI takes a small part of it. */
  run(size: number): Promise<Figure[]>;
}

export const holds = ({ value, most = Infinity, least = -Infinity }: Figure): boolean => value <= most && value >= least;

const ROOT = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));
export const TINY = path.join(ROOT, 'weights/tiny');
export const QUERY = 'answer member society pass';
export const EXAMPLES = [
  { input: 'type set society right happy', output: 'set type society right happy' },
  { input: 'post down road fight', output: 'down post road fight' },
  { input: 'same site vote easy imagine', output: 'site same vote easy imagine' },
  { input: 'may society drink carry', output: 'society may drink carry' },
];

export const MIB = 2 ** 20;
export const quantile = (values: readonly number[], q: number): number => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))];
export const scaled = (count: number, size: number): number => Math.max(1, Math.round(count * size));
