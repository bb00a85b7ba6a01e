import { HypertuneError } from '../engine/errors.ts';
import { CharsMap } from './chars-map.ts';
import { asArray, asBoolean, asObject, asString, invalid, type JsonObject, unsupported } from './json-fields.ts';
import { lowercase, type Normalizer, prepend, replace, sequence, strip, unicodeForm } from './normalizer.ts';
import { metaspace, type PrependScheme, type PreTokenizer, whitespaceSplit } from './pre-tokenizer.ts';
import { precompiled } from './precompiled.ts';

/**
 * The `normalizer` of a tokenizer.json.
 * @throws HypertuneError CONFIG_INVALID, CONFIG_UNSUPPORTED
 */
export function parseNormalizer(value: unknown, field: string): Normalizer {
  const json = asObject(value, field);
  const type = asString(json.type, `${field}.type`);
  switch (type) {
    case 'Sequence': {
      const children = asArray(json.normalizers, `${field}.normalizers`);
      return sequence(children.map((child, i) => parseNormalizer(child, `${field}.normalizers[${i}]`)));
    }
    case 'Precompiled': {
      // Some converters write a null map for a model that has none.
      if (json.precompiled_charsmap === null || json.precompiled_charsmap === '') return (text) => text;
      const base64 = asString(json.precompiled_charsmap, `${field}.precompiled_charsmap`);
      return precompiled(new CharsMap(Buffer.from(base64, 'base64')));
    }
    case 'Replace':
      return replace(parsePattern(json.pattern, `${field}.pattern`), asString(json.content, `${field}.content`));
    case 'Prepend':
      return prepend(asString(json.prepend, `${field}.prepend`));
    case 'Strip':
      return strip(asBoolean(json.strip_left, true, `${field}.strip_left`), asBoolean(json.strip_right, true, `${field}.strip_right`));
    case 'Lowercase':
      return lowercase();
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return unicodeForm(type);
    default:
      throw unsupported(`${field}.type`, `normalizer ${type} is not implemented`);
  }
}

/**
 * The `pre_tokenizer` of a tokenizer.json.
 * @throws HypertuneError CONFIG_INVALID, CONFIG_UNSUPPORTED
 */
export function parsePreTokenizer(value: unknown, field: string): PreTokenizer {
  const json = asObject(value, field);
  const type = asString(json.type, `${field}.type`);
  switch (type) {
    case 'Sequence': {
      const children = asArray(json.pretokenizers, `${field}.pretokenizers`);
      const steps = children.map((child, i) => parsePreTokenizer(child, `${field}.pretokenizers[${i}]`));
      return (words) => steps.reduce((current, step) => step(current), words);
    }
    case 'WhitespaceSplit':
      return whitespaceSplit();
    case 'Metaspace': {
      const { replacement, scheme } = parseMetaspace(json, field);
      return metaspace(replacement, scheme, asBoolean(json.split, true, `${field}.split`));
    }
    default:
      throw unsupported(`${field}.type`, `pre-tokenizer ${type} is not implemented`);
  }
}

/** The fields that Metaspace has both as pre-tokenizer and as decoder. */
export function parseMetaspace(json: JsonObject, field: string): { replacement: string; scheme: PrependScheme } {
  const replacement = asString(json.replacement, `${field}.replacement`);
  if (replacement.length !== 1) throw invalid(`${field}.replacement`, 'must be one character');
  // Files from before `prepend_scheme` say `add_prefix_space` instead.
  const prefix = asBoolean(json.add_prefix_space, true, `${field}.add_prefix_space`);
  const scheme = json.prepend_scheme === undefined ? (prefix ? 'always' : 'never') : asString(json.prepend_scheme, `${field}.prepend_scheme`);
  if (scheme !== 'always' && scheme !== 'first' && scheme !== 'never') {
    throw invalid(`${field}.prepend_scheme`, `must be always, first or never, is ${scheme}`);
  }
  if (!prefix && scheme !== 'never') throw invalid(`${field}.add_prefix_space`, `false contradicts prepend_scheme ${scheme}`);
  return { replacement, scheme };
}

/** A literal or a regular expression, as a JavaScript one with the flags `gu`. */
function parsePattern(value: unknown, field: string): RegExp {
  const json = asObject(value, field);
  if (json.String !== undefined) {
    const literal = asString(json.String, `${field}.String`);
    if (literal === '') throw invalid(`${field}.String`, 'must not be empty');
    return new RegExp(literal.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'), 'gu');
  }
  const source = asString(json.Regex, `${field}.Regex`);
  try {
    return new RegExp(source, 'gu');
  } catch (cause) {
    throw new HypertuneError('CONFIG_UNSUPPORTED', `the regular expression ${source} cannot be read.`, { field, cause });
  }
}
