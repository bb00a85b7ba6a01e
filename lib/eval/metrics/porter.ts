/**
 * Porter's suffix stripping (Porter, "An algorithm for suffix stripping", Program 14(3), 1980) with the changes of NLTK's default mode,
 * which `rouge_score` uses: a table of irregular words, words of one or two letters left alone, `ies` and `ied` of four-letter words,
 * y after a consonant only, and some suffixes more. Words are lower case, letters a-z and digits; digits count as consonants.
 */

const IRREGULAR = new Map(Object.entries({
  sky: 'sky', skies: 'sky', dying: 'die', lying: 'lie', tying: 'tie', news: 'news', innings: 'inning', inning: 'inning', outings: 'outing', outing: 'outing',
  cannings: 'canning', canning: 'canning', howe: 'howe', proceed: 'proceed', exceed: 'exceed', succeed: 'succeed',
}));

type Condition = (stem: string) => boolean;
/** The ending, what stands in its place, and the condition that the rest must meet. */
type Rule = readonly [suffix: string, replacement: string, condition?: Condition];

/** One character per letter: c for a consonant, v for a vowel; y is a vowel behind a consonant. */
function shape(word: string): string {
  let out = '';
  for (const letter of word) {
    const vowel = 'aeiou'.includes(letter) || (letter === 'y' && out.endsWith('c'));
    out += vowel ? 'v' : 'c';
  }
  return out;
}

/** Porter's m: how often a vowel is followed by a consonant. */
function measure(stem: string): number {
  return shape(stem).split('vc').length - 1;
}

const longerThan0: Condition = (stem) => measure(stem) > 0;
const longerThan1: Condition = (stem) => measure(stem) > 1;
const hasVowel: Condition = (stem) => shape(stem).includes('v');

function endsDouble(word: string): boolean {
  return word.length >= 2 && word.at(-1) === word.at(-2) && shape(word).endsWith('c');
}

/** Consonant, vowel, consonant other than w, x, y; or a word that is only a vowel and a consonant. */
function endsShort(word: string): boolean {
  const form = shape(word);
  return (form.endsWith('cvc') && !/[wxy]$/.test(word)) || form === 'vc';
}

/** Only the first rule whose ending fits counts, whether or not its condition is met. */
function apply(word: string, rules: readonly Rule[]): string {
  const rule = rules.find(([suffix]) => word.endsWith(suffix));
  if (!rule) return word;
  const [suffix, replacement, condition] = rule;
  const stem = word.slice(0, word.length - suffix.length);
  return !condition || condition(stem) ? stem + replacement : word;
}

const PLURALS: readonly Rule[] = [['sses', 'ss'], ['ies', 'i'], ['ss', 'ss'], ['s', '']];

function plural(word: string): string {
  return word.length === 4 && word.endsWith('ies') ? word.slice(0, -1) : apply(word, PLURALS);
}

const RESTORED: readonly Rule[] = [['at', 'ate'], ['bl', 'ble'], ['iz', 'ize']];

function pastOrGerund(word: string): string {
  if (word.endsWith('ied')) return word.slice(0, word.length === 4 ? -1 : -2);
  if (word.endsWith('eed')) return apply(word, [['eed', 'ee', longerThan0]]);
  const suffix = ['ed', 'ing'].find((end) => word.endsWith(end) && hasVowel(word.slice(0, -end.length)));
  if (!suffix) return word;
  const stem = word.slice(0, -suffix.length);
  if (RESTORED.some(([end]) => stem.endsWith(end))) return apply(stem, RESTORED);
  if (endsDouble(stem)) return /[lsz]$/.test(stem) ? stem : stem.slice(0, -1);
  return measure(stem) === 1 && endsShort(stem) ? `${stem}e` : stem;
}

const FINAL_Y: readonly Rule[] = [['y', 'i', (stem) => stem.length > 1 && shape(stem).endsWith('c')]];

const DOUBLE_SUFFIXES: readonly Rule[] = [
  ...([
    ['ational', 'ate'], ['tional', 'tion'], ['enci', 'ence'], ['anci', 'ance'], ['izer', 'ize'], ['bli', 'ble'], ['alli', 'al'], ['entli', 'ent'], ['eli', 'e'], ['ousli', 'ous'],
    ['ization', 'ize'], ['ation', 'ate'], ['ator', 'ate'], ['alism', 'al'], ['iveness', 'ive'], ['fulness', 'ful'], ['ousness', 'ous'], ['aliti', 'al'], ['iviti', 'ive'],
    ['biliti', 'ble'], ['fulli', 'ful'],
  ] as const).map(([suffix, replacement]): Rule => [suffix, replacement, longerThan0]),
  // The l counts as part of the stem, so that geology loses its ending too.
  ['logi', 'log', (stem) => longerThan0(`${stem}l`)],
];

/** An `alli` that became `al` may uncover another ending. */
function doubleSuffix(word: string): string {
  const again = word.endsWith('alli') && longerThan0(word.slice(0, -4));
  return again ? doubleSuffix(word.slice(0, -2)) : apply(word, DOUBLE_SUFFIXES);
}

const SIMPLE_SUFFIXES: readonly Rule[] = ([
  ['icate', 'ic'], ['ative', ''], ['alize', 'al'], ['iciti', 'ic'], ['ical', 'ic'], ['ful', ''], ['ness', ''],
] as const).map(([suffix, replacement]): Rule => [suffix, replacement, longerThan0]);

const LAST_SUFFIXES: readonly Rule[] = [
  'al', 'ance', 'ence', 'er', 'ic', 'able', 'ible', 'ant', 'ement', 'ment', 'ent', 'ion', 'ou', 'ism', 'ate', 'iti', 'ous', 'ive', 'ize',
].map((suffix): Rule => [suffix, '', suffix === 'ion' ? (stem) => longerThan1(stem) && /[st]$/.test(stem) : longerThan1]);

const FINAL_E: readonly Rule[] = [['e', '', (stem) => longerThan1(stem) || (measure(stem) === 1 && !endsShort(stem))]];
const FINAL_LL: readonly Rule[] = [['ll', 'l', (stem) => longerThan1(`${stem}l`)]];

/** The stem of a lower-case word. */
export function porterStem(word: string): string {
  const irregular = IRREGULAR.get(word);
  if (irregular !== undefined) return irregular;
  if (word.length <= 2) return word;
  let stem = pastOrGerund(plural(word));
  stem = doubleSuffix(apply(stem, FINAL_Y));
  for (const rules of [SIMPLE_SUFFIXES, LAST_SUFFIXES, FINAL_E, FINAL_LL]) stem = apply(stem, rules);
  return stem;
}
