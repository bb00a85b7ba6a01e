// Fails where the documentation and the code have come apart: error codes, environment variables, public names, links.
// node scripts/check-docs.mjs [root]
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = path.resolve(process.argv[2] ?? path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const read = (file) => readFileSync(path.join(root, file), 'utf8');
const filesUnder = (dir, ext) =>
  readdirSync(path.join(root, dir), { recursive: true }).map(String).filter((f) => ext.some((e) => f.endsWith(e))).map((f) => path.join(dir, f)).sort();

const problems = [];
const pages = ['README.md', 'CONTRIBUTING.md', ...filesUnder('docs', ['.md'])];

/** Both lists must hold the same names. */
function same(what, inCode, inDocs, page) {
  for (const name of inCode) if (!inDocs.has(name)) problems.push(`${page}: ${what} ${name} is not described`);
  for (const name of inDocs) if (!inCode.has(name)) problems.push(`${page}: ${what} ${name} does not exist`);
}

/** First column of the page's tables, where it is code. */
const firstColumn = (page, pattern) => new Set([...read(page).matchAll(pattern)].map((m) => m[1]));

const declared = /export type ErrorCode =([^;]*);/.exec(read('lib/engine/errors.ts'))[1];
same('error code', new Set([...declared.matchAll(/\| '(\w+)'/g)].map((m) => m[1])), firstColumn('docs/errors.md', /^\| `([A-Z_]+)`/gm), 'docs/errors.md');

const sources = [...filesUnder('native', ['.cc', '.h', '.inc']), ...filesUnder('lib', ['.ts'])].map(read).join('\n');
const variables = new Set([...sources.matchAll(/(?:getenv\("|process\.env\.)(HYPERTUNE_\w+)/g)].map((m) => m[1]));
same('variable', variables, firstColumn('docs/environment.md', /^\| `(HYPERTUNE_\w+)`/gm), 'docs/environment.md');

const exported = [...read('lib/index.ts').matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap((m) => m[1].split(',').map((name) => name.trim())).filter(Boolean);
const prose = pages.map(read).join('\n');
for (const name of exported) if (!new RegExp(`\\b${name}\\b`).test(prose)) problems.push(`lib/index.ts: ${name} is exported but stands in no page of docs/ or README.md`);

const withoutCode = (page) => read(page).replace(/^```.*?^```$/gms, '');

/** Anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page) {
  const anchors = new Set();
  for (const [, heading] of withoutCode(page).matchAll(/^#{1,6} +(.*)$/gm)) {
    const slug = heading.toLowerCase().replace(/\]\([^)]*\)/g, '').replace(/[^\p{L}\p{N}\s_-]/gu, '').trim().replace(/\s/g, '-');
    let anchor = slug;
    for (let i = 1; anchors.has(anchor); ++i) anchor = `${slug}-${i}`;
    anchors.add(anchor);
  }
  return anchors;
}

const linking = [...pages, 'CHANGELOG.md', ...['weights', 'test', 'bench', 'examples'].filter((dir) => existsSync(path.join(root, dir))).flatMap((dir) => filesUnder(dir, ['.md']))];
for (const page of linking.filter((page) => existsSync(path.join(root, page)))) {
  for (const [, link] of withoutCode(page).matchAll(/\]\((?!https?:|mailto:)([^)\s]+)[^)]*\)/g)) {
    const [file, anchor] = link.split('#');
    const target = file ? path.join(path.dirname(page), file) : page;
    const there = existsSync(path.join(root, target));
    if (!there || (anchor && !(statSync(path.join(root, target)).isFile() && anchorsOf(target).has(anchor)))) problems.push(`${page}: the link to ${link} leads nowhere`);
  }
}

for (const problem of problems) console.error(problem);
if (problems.length) process.exit(1);
console.log(`check-docs: ${pages.length} pages, ${exported.length} public names`);
