/** Exact match against any acceptable answer. */
import { plainForm, squadForm } from './text.ts';

/** `plain`: up to case and white space. `squad`: also up to ASCII punctuation and English articles. */
export type AnswerForm = 'plain' | 'squad';

const FORMS: Readonly<Record<AnswerForm, (text: string) => string>> = { plain: plainForm, squad: squadForm };

/** 1 where the answer equals one of `references`, else 0. */
export function exactMatch(answer: string, references: readonly string[], form: AnswerForm = 'plain'): 0 | 1 {
  const normal = FORMS[form];
  const given = normal(answer);
  return references.some((reference) => normal(reference) === given) ? 1 : 0;
}
