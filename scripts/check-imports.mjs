// Fails where a file imports or includes one of a higher level, or where files import each other in a ring.
// node scripts/check-imports.mjs [root]: the levels are below, highest first; folders of one line are on one level.
import { existsSync, readFileSync, readdirSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import ts from 'typescript';

const LIB = [['index.ts'], ['cli', 'serve'], ['hyper', 'adapters', 'train', 'eval'], ['data', 'tokenizer', 'files'], ['t5'], ['graph'], ['engine']];
const NATIVE = [['binding'], ['engine'], ['ops'], ['cpu', 'cuda'], ['core']];
/** Only the lowest level may load the addon. */
const ADDON_LOADER = 'node-gyp-build';

function filesOf(root, tree, extensions) {
  const dir = path.join(root, tree);
  if (!existsSync(dir)) return [];
  const names = readdirSync(dir, { recursive: true, withFileTypes: true });
  return names.filter((e) => e.isFile() && extensions.includes(path.extname(e.name))).map((e) => path.relative(root, path.join(e.parentPath, e.name))).sort();
}

/** [{ to, line, text }] of a TypeScript file; `to` is a path from the root, or undefined for a package. */
function importsOf(root, file) {
  const source = readFileSync(path.join(root, file), 'utf8');
  return ts.preProcessFile(source, true, true).importedFiles.map(({ fileName, pos }) => ({
    text: fileName,
    line: source.slice(0, pos).split('\n').length,
    to: fileName.startsWith('.') ? path.join(path.dirname(file), fileName) : undefined,
  }));
}

/** The same of a C++ or CUDA file: `#include "x"` beside the file, else from native/. System headers and kernel_env.h have no `to`. */
function includesOf(root, file) {
  const lines = readFileSync(path.join(root, file), 'utf8').split('\n');
  return lines.flatMap((text, i) => {
    const name = /^\s*#\s*include\s+"([^"]+)"/.exec(text)?.[1];
    if (!name) return [];
    const beside = path.join(path.dirname(file), name);
    return [{ text: name, line: i + 1, to: existsSync(path.join(root, beside)) ? beside : path.join('native', name) }];
  });
}

/** Height of a file in its tree, 0 at the bottom; undefined where its folder is on no level. */
function heightOf(file, levels) {
  const index = levels.findIndex((names) => names.includes(file.split(path.sep)[1]));
  return index < 0 ? undefined : levels.length - 1 - index;
}

/** Checks one tree and adds what is wrong to `problems`; returns the number of its files. */
function checkTree(root, { tree, levels, extensions, read }, problems) {
  const files = filesOf(root, tree, extensions);
  const graph = new Map();
  for (const file of files) {
    const height = heightOf(file, levels);
    if (height === undefined) problems.push(`${file}:1: this folder is on no level; add it to the table in scripts/check-imports.mjs`);
    const edges = read(root, file);
    graph.set(file, edges.filter(({ to }) => to));
    for (const { text, line, to } of edges) {
      const where = `${file}:${line}: '${text}'`;
      if (text === ADDON_LOADER && height !== 0) problems.push(`${where}: only lib/${levels.at(-1)[0]} may load the addon`);
      if (!to) continue;
      if (!existsSync(path.join(root, to))) problems.push(`${where}: there is no ${to}`);
      else if (!to.startsWith(`${tree}${path.sep}`)) problems.push(`${where}: leads out of ${tree}/`);
      else if (heightOf(to, levels) > height) problems.push(`${where}: goes up, from ${path.dirname(file)} to ${path.dirname(to)}`);
    }
  }
  for (const ring of ringsOf(graph)) problems.push(ring);
  return files.length;
}

/** One message for every edge that closes a ring, found depth first. */
function ringsOf(graph) {
  const done = new Set();
  const trail = [];
  const messages = [];
  const visit = (file) => {
    trail.push(file);
    for (const { to, line } of graph.get(file) ?? []) {
      const start = trail.indexOf(to);
      if (start >= 0) messages.push(`${file}:${line}: closes a ring: ${[...trail.slice(start), to].join(' > ')}`);
      else if (!done.has(to)) visit(to);
    }
    trail.pop();
    done.add(file);
  };
  for (const file of graph.keys()) if (!done.has(file)) visit(file);
  return messages;
}

/** { files: how many were read, problems: one line each, with file and line }. */
export function checkImports(root) {
  const problems = [];
  const trees = [
    { tree: 'lib', levels: LIB, extensions: ['.ts'], read: importsOf },
    { tree: 'native', levels: NATIVE, extensions: ['.h', '.cc', '.inc', '.cu', '.cuh'], read: includesOf },
  ];
  const files = trees.reduce((count, tree) => count + checkTree(root, tree, problems), 0);
  return { files, problems };
}

const self = fileURLToPath(import.meta.url);
if (process.argv[1] && realpathSync(process.argv[1]) === realpathSync(self)) {
  const { files, problems } = checkImports(path.resolve(process.argv[2] ?? path.dirname(path.dirname(self))));
  for (const problem of problems) console.error(problem);
  if (problems.length) process.exit(1);
  console.log(`check-imports: ${files} files`);
}
