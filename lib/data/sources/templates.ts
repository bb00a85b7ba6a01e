/** Prompts in promptsource's form (Bach et al., arXiv 2202.01279): input and target are one template, split at `|||`. */
import { HypertuneError } from '../../engine/errors.ts';
import type { FewShotExample, RecordFault } from '../formats.ts';
import { Random } from '../random.ts';
import { compileJinja } from './jinja.ts';
import type { Render } from './jinja.ts';

export interface PromptTemplate {
  /** `input ||| target`; a second bar separates further acceptable targets. */
  jinja: string;
  /** Answers between bars; may use the record's fields. In `jinja` they are `answer_choices`. */
  answerChoices?: string | null;
}

const BARS = '|||';
/** Stands for bars that are in the data, not in the template. */
const PROTECTED_BARS = '\uE000\uE000\uE000';

async function compile(source: string, field: string): Promise<Render> {
  try {
    return await compileJinja(source);
  } catch (cause) {
    throw new HypertuneError('CONFIG_UNSUPPORTED', `the template cannot be parsed: ${(cause as Error).message}`, { field, cause });
  }
}

/** JSON values alone: 64-bit numbers of a table become ordinary ones, dates their ISO text; bars are protected. */
function jsonValue(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll(BARS, PROTECTED_BARS);
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(jsonValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, jsonValue(item)]));
}

function parts(text: string): string[] {
  return text.split(BARS).map((part) => part.replaceAll(PROTECTED_BARS, BARS).trim());
}

/**
 * Records as examples. Random choices of a template depend on the record alone. A record whose rendering fails or lacks
 * input or target is a fault, as promptsource leaves it out. Throws CONFIG_UNSUPPORTED for a template that cannot be parsed.
 */
export async function templateExamples({ jinja, answerChoices }: PromptTemplate): Promise<(record: unknown) => FewShotExample | RecordFault> {
  const prompt = await compile(jinja, 'jinja');
  const choices = answerChoices ? await compile(answerChoices, 'answerChoices') : undefined;
  return (record) => {
    if (typeof record !== 'object' || record === null || Array.isArray(record)) return { fault: 'not an object' };
    const fields = jsonValue(record) as Record<string, unknown>;
    let random: Random | undefined;
    const rng = () => (random ??= Random.stream(0, 'template', JSON.stringify(fields)));
    try {
      const options = choices && parts(choices(fields, rng));
      const [input, ...outputs] = parts(prompt({ ...fields, ...(options && { answer_choices: options.map(jsonValue) }) }, rng));
      if (input === '') return { fault: 'the template leaves the input empty' };
      if (outputs.length === 0 || outputs[0] === '') return { fault: 'the template leaves the target empty' };
      const closed = options?.includes(outputs[0]); // some templates list choices that the target only contains
      return { input, output: outputs[0], outputs, ...(closed && { options }) };
    } catch (cause) {
      return { fault: `the template fails: ${(cause as Error).message}` };
    }
  };
}
