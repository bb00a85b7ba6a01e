/** Macro-averaged F1 over classes, in the two variants that are in use. Classes are compared as exact strings. */

interface Counts {
  gold: number;
  predicted: number;
  right: number;
}

function countsByClass(predicted: readonly string[], gold: readonly string[]): Map<string, Counts> {
  const classes = new Map<string, Counts>();
  const of = (name: string) => {
    let counts = classes.get(name);
    if (!counts) classes.set(name, (counts = { gold: 0, predicted: 0, right: 0 }));
    return counts;
  };
  gold.forEach((name, i) => {
    of(name).gold++;
    of(predicted[i]).predicted++;
    if (predicted[i] === name) of(name).right++;
  });
  return classes;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length;
}

/**
 * As MetaICL computes it (Min et al., arXiv 2110.15943): classes that occur in `gold`; a class that is never predicted has precision 1,
 * which its recall of 0 makes an F1 of 0; classes only predicted cost precision elsewhere, but have no term. NaN without rows.
 */
export function macroF1MetaICL(predicted: readonly string[], gold: readonly string[]): number {
  const classes = [...countsByClass(predicted, gold).values()].filter((c) => c.gold > 0);
  return mean(classes.map((c) => {
    const precision = c.predicted ? c.right / c.predicted : 1;
    const recall = c.right / c.gold;
    return precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall);
  }));
}

/** As scikit-learn's `f1_score(average='macro', zero_division=0)`: the classes of `gold` and of `predicted`; 2 TP / (2 TP + FP + FN). NaN without rows. */
export function macroF1(predicted: readonly string[], gold: readonly string[]): number {
  return mean([...countsByClass(predicted, gold).values()].map((c) => (2 * c.right) / (c.gold + c.predicted)));
}
