/** Ordered pairs of list functions, and which of them training may see. */
import { setImmediate } from 'node:timers/promises';
import { Random, stableHash } from '../random.ts';
import { listTask, sampleList } from './list-task.ts';
import type { ListFunction, ListLength, ListTask } from './list-task.ts';
import { newPrimitives, primitives } from './primitives.ts';

const PROBES = 200;
const HELD_OUT_SHARE = 0.25;

/** A held-out function is really new when it answers like each trained function on at most this share of inputs. */
export const REALLY_NEW_AGREEMENT = 0.1;

export interface Compositions {
  readonly trained: readonly ListTask[];
  /** Equal to no trained function, but some agree with one on many inputs. */
  readonly heldOut: readonly ListTask[];
  /** The held-out ones that agree with no trained function on more than a tenth of the inputs. */
  readonly reallyNew: readonly ListTask[];
}

/** A fixed sample of lists on which functions are compared. */
function probeLists(length: ListLength): string[][] {
  const rng = Random.stream(0, 'probes', length.minWords, length.maxWords);
  return Array.from({ length: PROBES }, () => sampleList(rng, length));
}

/** Answers on the probes as small integers, so that comparing two functions costs no string comparison. */
class Signatures {
  readonly probes: readonly string[][];
  private readonly numberOf = new Map<string, number>();

  constructor(length: ListLength) {
    this.probes = probeLists(length);
  }

  /** `lists`: the probes, or what a function before this one made of them. */
  of(apply: ListFunction, lists: readonly string[][] = this.probes): Int32Array {
    return Int32Array.from(lists, (words) => {
      const answer = apply(words).join(' ');
      const known = this.numberOf.get(answer);
      if (known !== undefined) return known;
      this.numberOf.set(answer, this.numberOf.size);
      return this.numberOf.size - 1;
    });
  }
}

function share(a: Int32Array, b: Int32Array): number {
  let equal = 0;
  for (let i = 0; i < a.length; i++) if (a[i] === b[i]) equal++;
  return equal / a.length;
}

/** The share of a fixed sample of lists on which the two functions give the same answer. */
export function agreement(a: ListTask, b: ListTask, length: ListLength = { minWords: 4, maxWords: 5 }): number {
  const signatures = new Signatures(length);
  return share(signatures.of(a.apply), signatures.of(b.apply));
}

/** All `second(first(list))` that answer every list and differ from every function of `taken`; stops before each `first`. */
function* properPairs(
  singles: readonly ListTask[],
  taken: readonly ListTask[],
  signatures: Signatures,
  length: ListLength,
): Generator<void, Map<ListTask, Int32Array>> {
  const single = new Set(taken.map((task) => signatures.of(task.apply).join()));
  const empty = signatures.of(() => [])[0];
  const pairs = new Map<ListTask, Int32Array>();
  for (const first of singles) {
    yield;
    const lists = signatures.probes.map(first.apply);
    for (const second of singles) {
      const signature = signatures.of(second.apply, lists);
      if (signature.includes(empty) || single.has(signature.join())) continue;
      const apply: ListFunction = (words) => second.apply(first.apply(words));
      const id = `pair/${nameOf(first)}+${nameOf(second)}`;
      pairs.set(listTask(id, 'pair', `${first.description} then ${second.description}`, apply, length), signature);
    }
  }
  yield;
  return pairs;
}

function nameOf(primitive: ListTask): string {
  return primitive.id.slice(primitive.id.indexOf('/') + 1);
}

/**
 * Splits the pairs by what they compute, not by how they are written: pairs that answer alike on all probes go to the
 * same side, so a held-out pair never is a trained function under another name. The side depends only on the ids.
 * Pairs that compute one of the primitives or of the new ones are left out.
 * It takes some 100 ms: at each `yield` other work may go on.
 */
function* composing(length: ListLength): Generator<void, Compositions> {
  const signatures = new Signatures(length);
  const [single, excluded] = [primitives(length), newPrimitives(length)];
  const pairs = yield* properPairs(single, [...single, ...excluded], signatures, length);
  const sideOf = new Map<string, boolean>();
  const trained: ListTask[] = [];
  const heldOut: ListTask[] = [];
  const known = single.map((task) => signatures.of(task.apply));
  for (const [task, signature] of pairs) {
    const key = signature.join();
    if (!sideOf.has(key)) sideOf.set(key, stableHash(task.id) / 2 ** 32 < HELD_OUT_SHARE);
    if (sideOf.get(key)) {
      heldOut.push(task);
    } else {
      trained.push(task);
      known.push(signature);
    }
  }
  const reallyNew = heldOut.filter((task) => known.every((other) => share(pairs.get(task)!, other) <= REALLY_NEW_AGREEMENT));
  return { trained, heldOut, reallyNew };
}

/** By the lists' length: a process finds those of each length once. */
const found = new Map<string, Compositions>();

function* remembered(length: ListLength): Generator<void, Compositions> {
  const key = `${length.minWords} ${length.maxWords}`;
  const known = found.get(key) ?? (yield* composing(length));
  found.set(key, known);
  return known;
}

/** The pairs of the primitives, none of which computes one of the new primitives. */
export function compositions(length: ListLength): Compositions {
  const work = remembered(length);
  let step = work.next();
  while (!step.done) step = work.next();
  return step.value;
}

/** The same; timers and sockets have their turns in between. */
export async function compositionsInTurns(length: ListLength): Promise<Compositions> {
  const work = remembered(length);
  for (let step = work.next(); ; step = work.next()) {
    if (step.done) return step.value;
    await setImmediate();
  }
}
