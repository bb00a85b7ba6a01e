import { HypertuneError } from '../engine/errors.ts';

/** A size known only when a program runs; storage is planned for `capacity`. */
export interface SizeSymbol {
  readonly name: string;
  readonly capacity: number;
}

/** `coef * symbol + add`, all integers, coef >= 1 and add >= 0. A size without a symbol is a plain number. */
export class Dim {
  readonly coef: number;
  readonly symbol: SizeSymbol;
  readonly add: number;

  constructor(coef: number, symbol: SizeSymbol, add: number) {
    this.coef = coef;
    this.symbol = symbol;
    this.add = add;
  }

  /** k times this size; k >= 1. */
  times(k: number): Dim {
    requireInteger(k, 1, 'factor');
    return new Dim(this.coef * k, this.symbol, this.add * k);
  }

  /** This size and k more; k >= 0. */
  plus(k: number): Dim {
    requireInteger(k, 0, 'addend');
    return new Dim(this.coef, this.symbol, this.add + k);
  }

  toString(): string {
    return `${this.coef === 1 ? '' : `${this.coef}*`}${this.symbol.name}${this.add ? `+${this.add}` : ''}`;
  }
}

export type Size = number | Dim;
export type Shape = readonly Size[];

export function sameSize(a: Size, b: Size): boolean {
  if (typeof a === 'number' || typeof b === 'number') return a === b;
  return a.symbol === b.symbol && a.coef === b.coef && a.add === b.add;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, i) => sameSize(size, b[i]));
}

/** mul * size + add. */
export function affine(size: Size, mul: number, add: number): Size {
  if (mul === 1 && add === 0) return size;
  return typeof size === 'number' ? size * mul + add : new Dim(size.coef * mul, size.symbol, size.add * mul + add);
}

/** The size s with mul * s + add = size, or undefined where there is none. */
export function solveAffine(size: Size, mul: number, add: number): Size | undefined {
  const constant = (typeof size === 'number' ? size : size.add) - add;
  const coef = typeof size === 'number' ? 0 : size.coef;
  if (mul < 1 || constant < 0 || constant % mul || coef % mul) return undefined;
  return typeof size === 'number' ? constant / mul : new Dim(coef / mul, size.symbol, constant / mul);
}

/** The size once every symbol has its value. */
export function sizeAt(size: Size, valueOf: (symbol: SizeSymbol) => number): number {
  return typeof size === 'number' ? size : size.coef * valueOf(size.symbol) + size.add;
}

export function elementsAt(shape: Shape, valueOf: (symbol: SizeSymbol) => number): number {
  return shape.reduce<number>((n, size) => n * sizeAt(size, valueOf), 1);
}

export const capacityOf = (symbol: SizeSymbol): number => symbol.capacity;

/** Whether both shapes hold the same number of elements for every value of the symbols. */
export function sameCount(a: Shape, b: Shape): boolean {
  const [x, y] = [count(a), count(b)];
  return x.constant === y.constant && x.factors.join() === y.factors.join();
}

/** A constant and the factors that are not constant, in an order of their own. */
function count(shape: Shape): { constant: number; factors: string[] } {
  let constant = 1;
  const factors: string[] = [];
  for (const size of shape) {
    if (typeof size === 'number') constant *= size;
    else if (size.add === 0) {
      constant *= size.coef;
      factors.push(size.symbol.name);
    } else factors.push(String(size));
  }
  return { constant, factors: factors.sort() };
}

export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

export function requireInteger(n: number, lo: number, what: string): void {
  if (!Number.isInteger(n) || n < lo) throw new HypertuneError('GRAPH_INVALID', `${what} ${n} is not an integer from ${lo} on.`, { field: what });
}
