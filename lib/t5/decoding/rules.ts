/** Constraints on the next token as part of a step program: their structure is compiled, their ids are fed. */
import type { Graph, RunInputs, Value } from '../../graph/index.ts';
import { logitRules } from '../../graph/index.ts';
import type { TokenRules } from './options.ts';

const canSuppress = (rules: TokenRules) => rules.suppress.length + rules.beginSuppress.length;
const longest = (rules: TokenRules) => Math.max(0, ...rules.badWords.map((word) => word.length));

export function hasRules(rules: TokenRules): boolean {
  return rules.repetitionPenalty !== 1 || rules.noRepeatNgramSize > 0 || rules.minLength > 1 || rules.badWords.length > 0 || canSuppress(rules) > 0;
}

/** Equal for rules that one program serves. */
export function rulesKey(rules: TokenRules): string {
  return [rules.repetitionPenalty, rules.noRepeatNgramSize, rules.minLength, rules.badWords.length, longest(rules), canSuppress(rules)].join();
}

/** Logits or log-probabilities x [R, V] under the rules. */
export function constrain(g: Graph, x: Value, history: Value, length: Value, eos: Value, rules: TokenRules): Value {
  if (!hasRules(rules)) return x;
  const { badWords, repetitionPenalty, noRepeatNgramSize, minLength } = rules;
  return logitRules(g, {
    x, history, length, eos, repetitionPenalty, noRepeatNgram: noRepeatNgramSize, minLength,
    banned: badWords.length ? g.feed('banned', 'i32', [badWords.length, longest(rules)]) : undefined,
    suppress: canSuppress(rules) ? g.feed('suppress', 'i32', [g.symbol('suppressed', canSuppress(rules))]) : undefined,
  });
}

/** Feeds of `constrain`; the tokens suppressed at the beginning are among them for the `first` step only. */
export function ruleInputs(rules: TokenRules, first: boolean): Required<Pick<RunInputs, 'symbols' | 'feeds'>> {
  const width = longest(rules);
  const banned = Int32Array.from(rules.badWords.flatMap((word) => [...word, ...new Array<number>(width - word.length).fill(-1)]));
  const suppress = Int32Array.from(first ? [...rules.suppress, ...rules.beginSuppress] : rules.suppress);
  return {
    symbols: canSuppress(rules) ? { suppressed: suppress.length } : {},
    feeds: { ...(banned.length ? { banned } : {}), ...(canSuppress(rules) ? { suppress } : {}) },
  };
}
