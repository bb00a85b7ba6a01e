/**
 * Jinja as prompt templates use it. The interpreter is @huggingface/jinja, which never compiles a template to JavaScript;
 * what it lacks for promptsource (filters, list methods) is added here as functions, and the syntax tree is rewritten to
 * call them. Values print as in JavaScript: a list as `["a"]`, a whole floating-point number without `.0`.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Random } from '../random.ts';

/** A compiled template: fields of a record -> text. */
export type Render = (fields: Readonly<Record<string, unknown>>, rng: () => Random) => string;

type Tree = Record<string, unknown>;

/** Arguments arrive as the interpreter's values: lists hold wrapped items. */
type HostFunction = (...args: never[]) => unknown;

const FILTERS = new Set(['choice', 'random', 'most_frequent', 'round', 'capitalize', 'trim']);
const METHODS = new Set(['append', 'index', 'join', 'capitalize', 'strip']);
/** In front of added names: no field of a record can be called so. */
const HOST = '|';

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null;
}

/** A value of the interpreter, of whatever depth, as plain JavaScript. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
  return isTree(value) && 'type' in value && 'value' in value ? plain(value.value) : value;
}

function hostCall(name: unknown, args: readonly unknown[]): Tree {
  return { type: 'CallExpression', callee: { type: 'Identifier', value: `${HOST}${String(name)}` }, args };
}

/**
 * `x | choice` becomes `choice(x)`, `x.append(y)` becomes `append(x, y)`; `==` compares lists by their items, as Python does.
 * In place, deepest first.
 */
function callHostFunctions(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(callHostFunctions);
  if (!isTree(node)) return node;
  for (const [key, child] of Object.entries(node)) {
    if (isTree(child)) node[key] = callHostFunctions(child);
  }
  if (node.type === 'FilterExpression') {
    const filter = node.filter as Tree;
    const [name, args] = filter.type === 'CallExpression' ? [filter.callee as Tree, filter.args as unknown[]] : [filter, []];
    if (FILTERS.has(String(name.value))) return hostCall(name.value, [node.operand, ...args]);
  }
  if (node.type === 'BinaryExpression') {
    const operator = (node.operator as Tree).value;
    if (operator === '==' || operator === '!=') return hostCall(operator, [node.left, node.right]);
  }
  const callee = node.callee as Tree | undefined;
  if (node.type === 'CallExpression' && callee?.type === 'MemberExpression' && !callee.computed) {
    const method = callee.property as Tree;
    if (METHODS.has(String(method.value))) return hostCall(method.value, [callee.object, ...(node.args as unknown[])]);
  }
  return node;
}

function round(value: number, digits = 0): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}

function mostFrequent(items: readonly unknown[]): unknown[] {
  const counts = new Map<unknown, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return [...counts.keys()].filter((item) => counts.get(item) === most);
}

/** Without the characters of `unwanted` at both ends; by default without white space. */
function strip(value: unknown, unwanted?: string): string {
  const text = String(plain(value));
  if (unwanted === undefined) return text.trim();
  const kept = [...text].map((character) => !unwanted.includes(character));
  return [...text].slice(Math.max(0, kept.indexOf(true)), kept.lastIndexOf(true) + 1).join('');
}

/** Python's `==` on JSON values: truth values are numbers, an absent value equals none. */
function equal(a: unknown, b: unknown): boolean {
  const value = (x: unknown) => (typeof x === 'boolean' ? Number(x) : (x ?? null));
  return isDeepStrictEqual(value(a), value(b));
}

const GLOBALS: Readonly<Record<string, unknown>> = {
  ...{ true: true, false: false, none: null, True: true, False: false, None: null },
  range: (...bounds: number[]) => {
    const [from, to, step = 1] = bounds.length === 1 ? [0, bounds[0]] : bounds;
    return Array.from({ length: Math.max(0, Math.ceil((to - from) / step)) }, (_, i) => from + i * step);
  },
  zip: (...lists: unknown[]) => {
    const plains = lists.map((items) => plain(items) as unknown[]);
    return Array.from({ length: Math.min(...plains.map((items) => items.length)) }, (_, i) => plains.map((items) => items[i]));
  },
};

/** Throws the interpreter's SyntaxError for a template it cannot parse. */
export async function compileJinja(source: string): Promise<Render> {
  const { Environment, Interpreter, parse, tokenize } = await import('@huggingface/jinja');
  const tree = callHostFunctions(parse(tokenize(source))) as ReturnType<typeof parse>;
  return (fields, rng) => {
    const environment = new Environment();
    const list = (value: unknown) => plain(value) as unknown[];
    const functions: Record<string, HostFunction> = {
      choice: (items: unknown) => rng().choice(list(items)),
      random: (items: unknown) => rng().choice(list(items)),
      most_frequent: (items: unknown) => mostFrequent(list(items)),
      round,
      append: (items: unknown[], item: unknown) => void items.push(new Environment().set('item', plain(item))),
      index: (items: unknown, item: unknown) => {
        const at = typeof items === 'string' ? items.indexOf(String(plain(item))) : list(items).indexOf(plain(item));
        if (at < 0) throw new Error(`${JSON.stringify(plain(item))} is not in the list`);
        return at;
      },
      join: (separator: unknown, items: unknown) => list(items).join(String(separator)),
      capitalize: (text: unknown) => String(text).charAt(0).toUpperCase() + String(text).slice(1).toLowerCase(),
      strip,
      trim: strip,
      '==': (a: unknown, b: unknown) => equal(plain(a), plain(b)),
      '!=': (a: unknown, b: unknown) => !equal(plain(a), plain(b)),
    };
    for (const [name, value] of Object.entries(functions)) environment.set(`${HOST}${name}`, value);
    for (const [name, value] of Object.entries({ ...GLOBALS, ...fields })) environment.set(name, value);
    return String((new Interpreter(environment).run(tree) as { value: unknown }).value);
  };
}
