/** ROUGE-L (Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004), F-measure with beta 1, as Python's `rouge_score` computes it with stemming. */
import { porterStem } from './porter.ts';

/** Lower-case words of a-z and 0-9; what lies between them is dropped; words of more than three letters are stemmed. */
export function rougeWords(text: string): string[] {
  return (text.toLowerCase().match(/[a-z0-9]+/g) ?? []).map((word) => (word.length > 3 ? porterStem(word) : word));
}

/** Largest F-measure over the references; 0 where the answer or all references are without words, or without references. */
export function rougeL(answer: string, references: readonly string[]): number {
  const given = rougeWords(answer);
  return references.reduce((best, reference) => Math.max(best, fMeasure(given, rougeWords(reference))), 0);
}

function fMeasure(given: readonly string[], reference: readonly string[]): number {
  if (given.length === 0 || reference.length === 0) return 0;
  const common = longestCommonSubsequence(given, reference);
  const precision = common / given.length;
  const recall = common / reference.length;
  return common === 0 ? 0 : (2 * precision * recall) / (precision + recall);
}

/** Its length, in O(n m) time and O(m) memory. */
function longestCommonSubsequence(a: readonly string[], b: readonly string[]): number {
  let above = new Int32Array(b.length + 1);
  let row = new Int32Array(b.length + 1);
  for (const word of a) {
    for (let j = 1; j <= b.length; j++) row[j] = word === b[j - 1] ? above[j - 1] + 1 : Math.max(above[j], row[j - 1]);
    [above, row] = [row, above];
  }
  return above[b.length];
}
