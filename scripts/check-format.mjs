// Fails at tabs, spaces at the end of a line, a missing or doubled newline at the end of a file, and carriage returns.
// Everything else about the look of the code is the author's; a formatter would rewrite most files. node scripts/check-format.mjs [root]
import { readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = path.resolve(process.argv[2] ?? path.dirname(path.dirname(fileURLToPath(import.meta.url))));
const TEXT = /\.(cc|cu|cuh|h|inc|map|ts|mts|cts|js|mjs|cjs|json|md|txt|gyp)$/;
/** Written by programs, or data. */
const DATA = /^weights\/|\/(goldens|fixtures|corpus)\/|package-lock\.json$/;

const { stdout, status } = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--deduplicate'], { cwd: root, encoding: 'utf8' });
if (status !== 0) throw new Error(`${root} is not a git checkout`);
const deleted = new Set(spawnSync('git', ['ls-files', '--deleted'], { cwd: root, encoding: 'utf8' }).stdout.split('\n'));
const files = stdout.split('\n').filter((file) => TEXT.test(file) && !DATA.test(file) && !deleted.has(file));

const RULES = [
  [/\t/, 'a tab'],
  [/[ \t]+$/m, 'spaces at the end of a line'],
  [/\r/, 'a carriage return'],
  [/(?<!\n)$(?![\s\S])/, 'no newline at the end'],
  [/\n\n$(?![\s\S])/, 'an empty line at the end'],
];
const problems = files.flatMap((file) => {
  const text = readFileSync(path.join(root, file), 'utf8');
  return RULES.flatMap(([pattern, what]) => {
    const found = pattern.exec(text);
    return found && text ? [`${file}:${text.slice(0, found.index).split('\n').length}: ${what}`] : [];
  });
});
for (const problem of problems) console.error(problem);
if (problems.length) process.exit(1);
console.log(`check-format: ${files.length} files`);
