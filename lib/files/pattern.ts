import { HypertuneError } from '../engine/errors.ts';

/** One matched step: from a set of positions in the text to the set of positions after it. */
type Matcher = (run: Run, from: Set<number>) => Set<number>;

interface Run {
  text: string;
  budget: MatchBudget;
}

/** Steps that all patterns of one configuration may take together. */
export interface MatchBudget {
  steps: number;
}

const MAX_PATTERN = 4096;
const CLASSES: Record<string, (c: string) => boolean> = {
  d: (c) => c >= '0' && c <= '9',
  w: (c) => /^\w$/.test(c),
  s: (c) => /^\s$/.test(c),
};

/**
 * Compiles a regular expression of a PEFT configuration into a test for the whole text (Python's `re.fullmatch`).
 *
 * Such a pattern comes with a downloaded file, so it is not given to a backtracking engine, which a short pattern can
 * keep busy for ever. Sets of positions are advanced instead, under a budget of steps. Literals, `.`, classes,
 * groups, alternation and repetition (greedy or lazy: the language is the same) are understood; what is not, such as
 * look-around and back-references, is CONFIG_UNSUPPORTED and names `field`.
 */
export function compilePattern(pattern: string, field: string, budget: MatchBudget): (text: string) => boolean {
  const refuse = (why: string): HypertuneError =>
    new HypertuneError('CONFIG_UNSUPPORTED', `${field}: the pattern ${JSON.stringify(pattern.slice(0, 100))} ${why}.`, {
      field,
      remedy: 'Replace it by the list of module paths.',
    });
  if (pattern.length > MAX_PATTERN) throw refuse('is too long');
  const matcher = new PatternParser(pattern, refuse).parse();
  return (text) => {
    const ends = matcher({ text, budget }, new Set([0]));
    if (budget.steps <= 0) throw refuse('takes too long to match');
    return ends.has(text.length);
  };
}

class PatternParser {
  readonly #pattern: string;
  readonly #refuse: (why: string) => HypertuneError;
  #at = 0;
  #depth = 0;

  constructor(pattern: string, refuse: (why: string) => HypertuneError) {
    this.#pattern = pattern;
    this.#refuse = refuse;
  }

  parse(): Matcher {
    const matcher = this.#alternation();
    if (this.#at < this.#pattern.length) throw this.#refuse('has an unmatched )');
    return matcher;
  }

  #alternation(): Matcher {
    const branches = [this.#sequence()];
    while (this.#take('|')) branches.push(this.#sequence());
    if (branches.length === 1) return branches[0];
    return (run, from) => new Set(branches.flatMap((branch) => [...branch(run, from)]));
  }

  #sequence(): Matcher {
    const parts: Matcher[] = [];
    while (this.#at < this.#pattern.length && !'|)'.includes(this.#peek())) parts.push(this.#repetition());
    return (run, from) => parts.reduce((positions, part) => part(run, positions), from);
  }

  #repetition(): Matcher {
    const part = this.#atom();
    const bounds = this.#bounds();
    if (bounds === undefined) return part;
    this.#take('?');
    if ('*+?{'.includes(this.#peek() || ' ')) throw this.#refuse('repeats a repetition');
    return repeat(part, bounds);
  }

  #bounds(): [number, number] | undefined {
    if (this.#take('*')) return [0, Infinity];
    if (this.#take('+')) return [1, Infinity];
    if (this.#take('?')) return [0, 1];
    if (this.#peek() !== '{') return undefined;
    const found = /^\{(\d{1,4})(?:(,)(\d{0,4}))?\}/.exec(this.#pattern.slice(this.#at));
    if (!found) throw this.#refuse('has a { that is no repetition');
    this.#at += found[0].length;
    const min = Number(found[1]);
    const max = found[2] === undefined ? min : found[3] === '' ? Infinity : Number(found[3]);
    if (max < min) throw this.#refuse('has an empty repetition');
    return [min, max];
  }

  #atom(): Matcher {
    const c = this.#next();
    if (c === '(') return this.#group();
    if (c === '[') return single(this.#set());
    if (c === '.') return single((x) => x !== '\n');
    if (c === '^') return (run, from) => keep(run, from, 0);
    if (c === '$') return (run, from) => keep(run, from, run.text.length);
    if ('*+?{'.includes(c)) throw this.#refuse('repeats nothing');
    return c === '\\' ? single(this.#escape()) : single((x) => x === c);
  }

  #group(): Matcher {
    // Recursion in the parser follows the nesting of groups.
    if (++this.#depth > 100) throw this.#refuse('is nested too deeply');
    if (this.#take('?') && !this.#take(':')) throw this.#refuse('uses a group beyond ( ) and (?: )');
    const inner = this.#alternation();
    if (!this.#take(')')) throw this.#refuse('has an unmatched (');
    this.#depth--;
    return inner;
  }

  #escape(): (c: string) => boolean {
    const c = this.#next();
    const known = Object.hasOwn(CLASSES, c.toLowerCase()) ? CLASSES[c.toLowerCase()] : undefined;
    if (known) return c === c.toLowerCase() ? known : (x) => !known(x);
    if (c === '' || /[0-9A-Za-z]/.test(c)) throw this.#refuse(`uses \\${c}`);
    return (x) => x === c;
  }

  #set(): (c: string) => boolean {
    const negated = this.#take('^');
    const members: ((c: string) => boolean)[] = [];
    do {
      const low = this.#next();
      if (low === '') throw this.#refuse('has an unmatched [');
      if (low === '\\') members.push(this.#escape());
      else if (this.#peek() === '-' && ![']', ''].includes(this.#pattern[this.#at + 1] ?? '')) {
        this.#at++;
        const high = this.#next();
        if (high === '\\' || high < low) throw this.#refuse('has a bad range');
        members.push((x) => x >= low && x <= high);
      } else members.push((x) => x === low);
    } while (!this.#take(']'));
    return (x) => members.some((member) => member(x)) !== negated;
  }

  #peek(): string {
    return this.#pattern[this.#at] ?? '';
  }

  #next(): string {
    return this.#pattern[this.#at++] ?? '';
  }

  #take(c: string): boolean {
    if (this.#peek() !== c) return false;
    this.#at++;
    return true;
  }
}

function single(accepts: (c: string) => boolean): Matcher {
  return (run, from) => {
    const to = new Set<number>();
    for (const position of from) {
      run.budget.steps--;
      if (position < run.text.length && accepts(run.text[position])) to.add(position + 1);
    }
    return to;
  };
}

function keep(run: Run, from: Set<number>, position: number): Set<number> {
  run.budget.steps--;
  return new Set(from.has(position) ? [position] : []);
}

function repeat(part: Matcher, [min, max]: [number, number]): Matcher {
  return (run, from) => {
    let reached = from;
    for (let i = 0; i < min && reached.size > 0 && run.budget.steps > 0; i++) {
      run.budget.steps--;
      reached = part(run, reached);
    }
    // Only positions not seen before can lead to new ones, so the loop ends after at most one round per character.
    const all = new Set(reached);
    let fresh = reached;
    for (let i = min; i < max && fresh.size > 0 && run.budget.steps > 0; i++) {
      run.budget.steps--;
      fresh = new Set([...part(run, fresh)].filter((position) => !all.has(position)));
      for (const position of fresh) all.add(position);
    }
    return all;
  };
}
