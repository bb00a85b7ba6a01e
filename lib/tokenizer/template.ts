import { asArray, asIndex, asObject, asString, invalid, unsupported } from './json-fields.ts';

/** Ids that are put around the text when special tokens are asked for. */
export interface Template {
  prefix: readonly number[];
  suffix: readonly number[];
}

export const EMPTY_TEMPLATE: Template = { prefix: [], suffix: [] };

/**
 * The part for single texts of the `post_processor` of a tokenizer.json.
 * @throws HypertuneError CONFIG_INVALID, CONFIG_UNSUPPORTED
 */
export function parseTemplate(value: unknown, vocabSize: number, field: string): Template {
  if (value === null || value === undefined) return EMPTY_TEMPLATE;
  const json = asObject(value, field);
  const type = asString(json.type, `${field}.type`);
  if (type !== 'TemplateProcessing') throw unsupported(`${field}.type`, `post-processor ${type} is not implemented`);
  const specials = asObject(json.special_tokens ?? {}, `${field}.special_tokens`);
  const prefix: number[] = [];
  const suffix: number[] = [];
  let texts = 0;
  asArray(json.single, `${field}.single`).forEach((item, i) => {
    const at = `${field}.single[${i}]`;
    const part = asObject(item, at);
    if (part.Sequence !== undefined) {
      texts++;
      return;
    }
    const name = asString(asObject(part.SpecialToken, `${at}.SpecialToken`).id, `${at}.SpecialToken.id`);
    const special = asObject(specials[name], `${field}.special_tokens.${name}`);
    const ids = asArray(special.ids, `${field}.special_tokens.${name}.ids`);
    for (const id of ids) (texts ? suffix : prefix).push(asIndex(id, vocabSize, `${field}.special_tokens.${name}.ids`));
  });
  if (texts !== 1) throw invalid(`${field}.single`, `must hold the text once, holds it ${texts} times`);
  return { prefix, suffix };
}
