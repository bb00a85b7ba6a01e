// Breaks our CUDA kernels and their runtime, one fault at a time, and says which of the checks finds it.
//   node scripts/cuda-faults.mjs [--only TEXT] [--missing] [--write]
// --missing: those that docs/cuda-faults.md does not say are found. --write: brings its lines for the faults of this run up to date.
//
// A fault (test/cuda-faults/faults.json) is one exact replacement in one file. The emulated backend is built with it and runs the cases
// named there (or the `program` named there, of build/tests): under the greedy schedules with late copies, then, where these find nothing, under all schedules, under AddressSanitizer
// and UndefinedBehaviorSanitizer, and under ThreadSanitizer, within and between blocks.
// Fails where a fault is found by nothing, or does not fit the source any more. That the unbroken backend passes all of them with
// every case is shown by scripts/test-cuda.mjs; here it runs the smallest ones. Needs build/tests of `npm run build:tests`.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { compile, link, objects, parallel, root, run, work } from './cuda-emulated.mjs';

const RUNNER = ['device_case_runner', 'test/ops'];
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : '';

/** In this order; the first that finds a fault ends it. `cases`: more of them where they are cheap. */
const CHECKS = [
  { name: 'greedy schedules', variant: 'plain', schedules: 'greedy' },
  { name: 'all schedules', variant: 'plain', schedules: 'all' },
  { name: 'ASan, UBSan', variant: 'asan', schedules: 'first', preload: 'libasan.so', report: /runtime error: .*|SUMMARY: AddressSanitizer: .*/ },
  { name: 'TSan', variant: 'tsan', schedules: 'first', preload: 'libtsan.so', report: /SUMMARY: ThreadSanitizer: .*/ },
  { name: 'TSan between blocks', variant: 'tsan', schedules: 'last', preload: 'libtsan.so', report: /SUMMARY: ThreadSanitizer: .*/ },
];

/** What a check says of a library: undefined where it finds nothing. */
function find(check, library, cases, [program, ...first]) {
  const preload = check.preload && run('g++', [`-print-file-name=${check.preload}`]).stdout.trim();
  const env = { ...process.env, ASAN_OPTIONS: 'detect_leaks=0', TSAN_OPTIONS: 'exitcode=66', HYPERTUNE_CUBLAS: path.join(root, 'build/tests'), ...(preload && { LD_PRELOAD: preload }) };
  const args = [path.join(root, 'build/tests', program), ...first, '--library', library, '--schedules', check.schedules, ...cases];
  // GCC's ThreadSanitizer wants the classic layout of addresses.
  const { status, signal, stdout, stderr, error } = check.variant === 'tsan' ? run('setarch', ['-R', ...args], { env, timeout: 300_000 }) : run(args[0], args.slice(1), { env, timeout: 300_000 });
  if (error) console.log(`  ${check.name}: no end after five minutes`); // a block that waits for ever is found as such, so this is only slow
  if (status === 0 || error) return undefined;
  const said = check.report?.exec(stderr)?.[0] ?? /^ {2}(?!.* seed=)(.*)$/m.exec(stdout)?.[1] ?? (stdout.split('\n')[0] || signal || `exit code ${status}`);
  return said.replaceAll(root + '/', '').slice(0, 140);
}

const page = path.join(root, 'docs/cuda-faults.md');
const known = existsSync(page) ? readFileSync(page, 'utf8').split('\n') : [];
const lineStart = ({ file, what }) => `| \`${path.basename(file)}\` | ${what} | `;
const isFound = (fault) => known.some((l) => l.startsWith(lineStart(fault)) && !l.includes('**nothing**'));
const all = JSON.parse(readFileSync(path.join(root, 'test/cuda-faults/faults.json'), 'utf8'));
const some = only !== '' || process.argv.includes('--missing');
const faults = all.filter((f) => (f.what.includes(only) || f.file.includes(only)) && !(process.argv.includes('--missing') && isFound(f)));
const objectsOf = {};
const base = async (variant) => (objectsOf[variant] ??= await objects(variant));

/** The backend with the files of `overlay`, or unbroken without one. */
async function build(fault, variant, overlay) {
  const folder = path.join(work, 'broken');
  mkdirSync(folder, { recursive: true });
  const linked = await parallel([...(await base(variant))], ([source, { object, uses }]) => (overlay && uses.has(fault.file) ? compile(source, variant, folder, overlay) : object));
  return link(linked, variant, path.join(work, `${overlay ? 'broken' : 'unbroken'}-${variant}.so`));
}

const rows = [];
let failed = 0;
for (const fault of [{ what: 'none', cases: [] }, ...faults]) {
  const unbroken = fault.what === 'none';
  const cases = unbroken ? (some ? ['--op', 'fill'] : ['--smallest', '3']) : fault.cases;
  let overlay, found;
  if (!unbroken) {
    const text = readFileSync(path.join(root, fault.file), 'utf8');
    if (text.split(fault.replace).length !== 2) {
      console.error(`${fault.file}: '${fault.replace}' must occur exactly once`);
      failed++;
      continue;
    }
    overlay = path.join(work, 'overlay');
    rmSync(overlay, { recursive: true, force: true });
    mkdirSync(path.dirname(path.join(overlay, fault.file)), { recursive: true });
    writeFileSync(path.join(overlay, fault.file), text.replace(fault.replace, () => fault.by));
  }
  const libraries = {};
  for (const check of CHECKS) {
    libraries[check.variant] ??= await build(fault, check.variant, overlay);
    const said = find(check, libraries[check.variant], cases, fault.program ? [fault.program] : RUNNER);
    if (said === undefined) continue;
    found = { by: check.name, said };
    break;
  }
  if (unbroken ? found : !found) failed++;
  rows.push({ ...fault, found });
  console.log(`${fault.file ?? ''} ${fault.what}: ${found ? `${found.by}: ${found.said}` : 'found by nothing'}`);
}

if (process.argv.includes('--write')) {
  const line = ({ file, what, found }) => `${lineStart({ file, what })}${found?.by ?? '**nothing**'} | ${(found?.said ?? '').replaceAll('|', '\\|')} |`;
  const before = (fault) => known.find((l) => l.startsWith(lineStart(fault))) ?? line(fault);
  const lines = all.map((fault) => {
    const run = rows.find(({ what }) => what === fault.what);
    return run ? line(run) : before(fault);
  });
  writeFileSync(
    page,
    ['# Planted faults', '', 'Generated by `npm run check:cuda-faults -- --write` (scripts/cuda-faults.mjs). Each line is a fault put into our kernels or their runtime, and the first check that',
      `finds it. The unbroken backend passes all checks.`, '', '| file | fault | found by | what it says |', '|---|---|---|---|', ...lines, ''].join('\n'),
  );
}
console.log(`${rows.filter((r) => r.file && r.found).length} of ${faults.length} faults found, the unbroken backend ${rows[0].found ? 'is NOT clean' : 'is clean'}`);
process.exit(failed ? 1 : 0);
