/**
 * The universe of generated tasks: what training draws, and what it must never have drawn. Everything here is generated
 * from the word lists of `words.ts` and is under CC0.
 */
import { HypertuneError } from '../../engine/errors.ts';
import type { Random } from '../random.ts';
import { stableHash } from '../random.ts';
import { taskList } from '../task.ts';
import type { Task, TaskKind, TaskSource } from '../task.ts';
import { drawAffixTask } from './affixes.ts';
import { compositions, compositionsInTurns } from './compositions.ts';
import { drawConstantTask } from './constants.ts';
import { drawLabelTask } from './labels.ts';
import { checkListLength } from './list-task.ts';
import type { ListLength, ListTask } from './list-task.ts';
import { drawMapTask } from './maps.ts';
import { drawMarkerTask } from './markers.ts';
import { NUMBER_TASKS } from './numbers.ts';
import { newPrimitives, primitives } from './primitives.ts';

export type GeneratedKind = Exclude<TaskKind, 'pool'>;

export interface UniverseOptions extends ListLength {
  /** Relative frequency of the kinds in training. */
  shares: Readonly<Record<GeneratedKind, number>>;
}

export const DEFAULT_UNIVERSE: UniverseOptions = {
  minWords: 4,
  maxWords: 5,
  shares: { primitive: 32, pair: 20, constant: 16, marker: 10, label: 10, map: 6, affix: 3, number: 3 },
};

/** One parametrised task in ten (by its id) is kept from training. */
const HELD_OUT_SHARE = 0.1;
const DRAWS = 1000;

function isHeldOut(task: Task): boolean {
  return stableHash(task.id) / 2 ** 32 < HELD_OUT_SHARE;
}

/** Draws tasks of one side of the split. */
function side(draw: (rng: Random) => Task, heldOut: boolean): TaskSource {
  return {
    draw(rng) {
      for (let i = 0; i < DRAWS; i++) {
        const task = draw(rng);
        if (isHeldOut(task) === heldOut) return task;
      }
      throw new HypertuneError('INTERNAL', `no ${heldOut ? 'held-out' : 'trained'} task among ${DRAWS} draws`);
    },
  };
}

export class Universe {
  readonly options: UniverseOptions;
  readonly primitives: readonly ListTask[];
  /** Four one-step functions never trained. */
  readonly newPrimitives: readonly ListTask[];
  readonly trainedPairs: readonly ListTask[];
  /** Pairs that equal no trained function. */
  readonly heldOutPairs: readonly ListTask[];
  /** Held-out pairs that agree with no trained function on more than a tenth of the inputs. */
  readonly reallyNewPairs: readonly ListTask[];
  /** Everything that training may see. */
  readonly trained: TaskSource;
  private readonly parametrised: ReadonlyMap<GeneratedKind, (rng: Random) => Task>;

  /** Throws ARGUMENT_RANGE for list lengths outside 4 .. 12. The first of its lengths in a process holds the event loop for some 100 ms; `open` does not. */
  constructor(options: Partial<UniverseOptions> = {}) {
    this.options = { ...DEFAULT_UNIVERSE, ...options };
    const length: ListLength = this.options;
    checkListLength(length);
    this.primitives = primitives(length);
    this.newPrimitives = newPrimitives(length);
    const pairs = compositions(length);
    this.trainedPairs = pairs.trained;
    this.heldOutPairs = pairs.heldOut;
    this.reallyNewPairs = pairs.reallyNew;
    this.parametrised = new Map<GeneratedKind, (rng: Random) => Task>([
      ['constant', (rng) => drawConstantTask(rng, length)],
      ['marker', (rng) => drawMarkerTask(rng, length)],
      ['label', (rng) => drawLabelTask(rng, length)],
      ['map', drawMapTask],
      ['affix', drawAffixTask],
    ]);
    const kinds = Object.keys(this.options.shares) as GeneratedKind[];
    const shares = kinds.map((kind) => this.options.shares[kind]);
    const sources = kinds.map((kind) => this.trainedOf(kind));
    this.trained = { draw: (rng) => sources[rng.weighted(shares)].draw(rng) };
  }

  /** The same universe, made in turns with other work of the event loop. Throws as the constructor does. */
  static async open(options: Partial<UniverseOptions> = {}): Promise<Universe> {
    const length: ListLength = { ...DEFAULT_UNIVERSE, ...options };
    checkListLength(length);
    await compositionsInTurns(length);
    return new Universe(options);
  }

  /** What training may see of one kind. */
  trainedOf(kind: GeneratedKind): TaskSource {
    if (kind === 'primitive') return taskList(this.primitives);
    if (kind === 'pair') return taskList(this.trainedPairs);
    if (kind === 'number') return taskList(NUMBER_TASKS);
    return side(this.drawer(kind), false);
  }

  /**
   * Tasks of one kind that training never draws: new primitives, held-out pairs, or a known operation with parameters
   * that are never trained together. Throws ARGUMENT_INVALID for `number`, of which every task is trained.
   */
  heldOutOf(kind: GeneratedKind): TaskSource {
    if (kind === 'primitive') return taskList(this.newPrimitives);
    if (kind === 'pair') return taskList(this.heldOutPairs);
    return side(this.drawer(kind), true);
  }

  private drawer(kind: GeneratedKind): (rng: Random) => Task {
    const draw = this.parametrised.get(kind);
    if (!draw) throw new HypertuneError('ARGUMENT_INVALID', `no held-out tasks of kind ${kind}`, { field: 'kind' });
    return draw;
  }
}
