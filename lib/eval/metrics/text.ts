/** Forms in which answers are compared. */

/** Case and runs of white space do not count. */
export function plainForm(text: string): string {
  return text.trim().replace(/\s+/g, ' ').toLowerCase();
}

/** What Python's `str.split()` takes for white space; JavaScript's \s has U+FEFF more and the separators U+001C to U+001F and U+0085 less. */
const PYTHON_SPACE = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/u;
/** The ASCII characters of Python's `string.punctuation`. */
const PUNCTUATION = /[!-/:-@[-`{-~]/g;
/** A whole word in the sense of Python's \b, where letters and numbers of all scripts belong to words. */
const ARTICLE = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;

/** SQuAD's form (Rajpurkar et al., arXiv 1606.05250): lower case, without ASCII punctuation, articles and repeated white space. */
export function squadForm(text: string): string {
  return text.toLowerCase().replace(PUNCTUATION, '').replace(ARTICLE, ' ').split(PYTHON_SPACE).filter(Boolean).join(' ');
}
