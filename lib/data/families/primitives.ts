/** List functions of one step: picking, dropping, moving and ordering by position, length or alphabet. */
import { listTask } from './list-task.ts';
import type { ListFunction, ListLength, ListTask } from './list-task.ts';

type Primitive = readonly [name: string, description: string, apply: ListFunction];

function byAlphabet(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0; // code units: the order must not depend on a locale
}

/** The first word that no other is better than. */
function best(words: readonly string[], better: (a: string, b: string) => boolean): string[] {
  return words.length === 0 ? [] : [words.reduce((kept, word) => (better(word, kept) ? word : kept))];
}

function without(words: readonly string[], dropped: readonly string[]): string[] {
  return words.filter((word) => !dropped.includes(word));
}

const longest: ListFunction = (w) => best(w, (a, b) => a.length > b.length);
const shortest: ListFunction = (w) => best(w, (a, b) => a.length < b.length);
const earliest: ListFunction = (w) => best(w, (a, b) => a < b);
const latest: ListFunction = (w) => best(w, (a, b) => a > b);

function swapped(words: readonly string[], i: number, j: number): string[] {
  const out = words.slice();
  if (0 <= i && i < j && j < words.length) [out[i], out[j]] = [out[j], out[i]];
  return out;
}

const TRAINED: readonly Primitive[] = [
  ['copy', 'copy', (w) => w.slice()],
  ['first', 'first', (w) => w.slice(0, 1)],
  ['second', 'second', (w) => w.slice(1, 2)],
  ['last', 'last', (w) => w.slice(-1)],
  ['penultimate', 'last but one', (w) => w.slice(0, -1).slice(-1)],
  ['first2', 'first two', (w) => w.slice(0, 2)],
  ['last2', 'last two', (w) => w.slice(-2)],
  ['first3', 'first three', (w) => w.slice(0, 3)],
  ['ends', 'first and last', (w) => (w.length < 2 ? w.slice() : [w[0], w[w.length - 1]])],
  ['odd', 'every other from first', (w) => w.filter((_, i) => i % 2 === 0)],
  ['even', 'every other from second', (w) => w.filter((_, i) => i % 2 === 1)],
  ['drop-first', 'drop first', (w) => w.slice(1)],
  ['drop-last', 'drop last', (w) => w.slice(0, -1)],
  ['drop-second', 'drop second', (w) => w.filter((_, i) => i !== 1)],
  ['drop-penultimate', 'drop last but one', (w) => w.filter((_, i) => i !== w.length - 2)],
  ['drop-first2', 'drop first two', (w) => w.slice(2)],
  ['drop-last2', 'drop last two', (w) => w.slice(0, -2)],
  ['middle', 'drop first and last', (w) => w.slice(1, -1)],
  ['swap12', 'swap first two', (w) => swapped(w, 0, 1)],
  ['swap-last2', 'swap last two', (w) => swapped(w, w.length - 2, w.length - 1)],
  ['swap-ends', 'swap first and last', (w) => swapped(w, 0, w.length - 1)],
  ['rotate-left', 'first to the end', (w) => [...w.slice(1), ...w.slice(0, 1)]],
  ['rotate-right', 'last to the front', (w) => [...w.slice(-1), ...w.slice(0, -1)]],
  ['rotate-left2', 'first two to the end', (w) => [...w.slice(2), ...w.slice(0, 2)]],
  ['second-to-end', 'second to the end', (w) => [...w.filter((_, i) => i !== 1), ...w.slice(1, 2)]],
  ['repeat-first', 'repeat first', (w) => [...w.slice(0, 1), ...w]],
  ['repeat-last', 'repeat last', (w) => [...w, ...w.slice(-1)]],
  ['first-again', 'first again at the end', (w) => [...w, ...w.slice(0, 1)]],
  ['last-again', 'last again at the front', (w) => [...w.slice(-1), ...w]],
  ['sort', 'sort', (w) => w.toSorted(byAlphabet)],
  ['sort-down', 'sort backwards', (w) => w.toSorted((a, b) => byAlphabet(b, a))],
  ['sort-length', 'sort by length', (w) => w.toSorted((a, b) => a.length - b.length)],
  ['earliest', 'first by alphabet', earliest],
  ['latest', 'last by alphabet', latest],
  ['longest', 'longest', longest],
  ['shortest', 'shortest', shortest],
  ['drop-longest', 'drop longest', (w) => without(w, longest(w))],
  ['drop-shortest', 'drop shortest', (w) => without(w, shortest(w))],
];

const NEW: readonly Primitive[] = [
  ['reverse', 'reverse', (w) => w.toReversed()],
  ['third', 'third', (w) => w.slice(2, 3)],
  ['double-each', 'double each', (w) => w.flatMap((word) => [word, word])],
  ['drop-third', 'drop third', (w) => w.filter((_, i) => i !== 2)],
];

function tasksOf(primitives: readonly Primitive[], length: ListLength): ListTask[] {
  return primitives.map(([name, description, apply]) => listTask(`primitive/${name}`, 'primitive', description, apply, length));
}

/** The 38 functions that training draws from, alone and in pairs. */
export function primitives(length: ListLength): ListTask[] {
  return tasksOf(TRAINED, length);
}

/** Four functions that training never sees, nor any pair that computes the same. */
export function newPrimitives(length: ListLength): ListTask[] {
  return tasksOf(NEW, length);
}
