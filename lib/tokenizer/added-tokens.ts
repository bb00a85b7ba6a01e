import { charLength, isWhiteSpace, isWordCharacter } from './unicode.ts';
import { UnitTrie } from './unit-trie.ts';

/** A token that is found in the text itself, before (or, if `normalized`, after) normalisation. */
export interface AddedToken {
  id: number;
  content: string;
  /** Only where no word character is adjacent. */
  singleWord: boolean;
  /** Takes the white space on its left along. */
  lstrip: boolean;
  /** Takes the white space on its right along. */
  rstrip: boolean;
  /** Looked for in normalised text, itself normalised. */
  normalized: boolean;
  /** Left out by `decode` unless asked for. */
  special: boolean;
}

/** A stretch of text: an added token, or (id -1) text between them. */
export interface Stretch {
  id: number;
  from: number;
  to: number;
}

/** Finds added tokens: leftmost, then longest. */
export class AddedTokenFinder {
  readonly #tokens: readonly AddedToken[];
  readonly #trie: UnitTrie;

  /** @param contents what to look for, per token, if not its content as it is */
  constructor(tokens: readonly AddedToken[], contents = tokens.map((token) => token.content)) {
    this.#tokens = tokens;
    this.#trie = UnitTrie.of(contents, (index) => contents[index] !== '');
  }

  get isEmpty(): boolean {
    return this.#tokens.length === 0;
  }

  split(text: string): Stretch[] {
    const stretches: Stretch[] = [];
    let from = 0; // end of the last stretch
    for (let at = 0; at < text.length; ) {
      const match = this.#matchAt(text, at);
      if (!match) {
        at++;
        continue;
      }
      const { token, end } = match;
      const start = at;
      at = end;
      if (token.singleWord && (endsWithWord(text, start) || startsWithWord(text, end))) continue;
      const left = token.lstrip ? Math.max(from, whiteSpaceBefore(text, start, from)) : start;
      const right = token.rstrip ? whiteSpaceAfter(text, end) : end;
      if (left > from) stretches.push({ id: -1, from, to: left });
      stretches.push({ id: token.id, from: left, to: right });
      from = right;
    }
    if (from < text.length) stretches.push({ id: -1, from, to: text.length });
    return stretches;
  }

  #matchAt(text: string, at: number): { token: AddedToken; end: number } | undefined {
    let match: { token: AddedToken; end: number } | undefined;
    let node = UnitTrie.ROOT;
    for (let i = at; i < text.length; ) {
      node = this.#trie.step(node, text.charCodeAt(i++));
      if (node < 0) break;
      const index = this.#trie.values[node];
      if (index >= 0) match = { token: this.#tokens[index], end: i };
    }
    return match;
  }
}

function whiteSpaceBefore(text: string, at: number, limit: number): number {
  while (at > limit && isWhiteSpace(text.charCodeAt(at - 1))) at--;
  return at;
}

function whiteSpaceAfter(text: string, at: number): number {
  while (at < text.length && isWhiteSpace(text.charCodeAt(at))) at++;
  return at;
}

function startsWithWord(text: string, at: number): boolean {
  return at < text.length && isWordCharacter(text.slice(at, at + charLength(text, at)));
}

function endsWithWord(text: string, at: number): boolean {
  if (at === 0) return false;
  const start = at >= 2 && charLength(text, at - 2) === 2 ? at - 2 : at - 1;
  return isWordCharacter(text.slice(start, at));
}
