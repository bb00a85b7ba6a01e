// Fuzzing for as long as one likes: npm run fuzz [-- target ...] [--seconds 600] [--seed 1]
// Targets: `programs` (native command buffers, libFuzzer: scripts/fuzz-native.mjs) and the readers of test/fuzz/targets.ts; default all.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fuzz } from '../test/fuzz/fuzz.ts';
import { TARGETS } from '../test/fuzz/targets.ts';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { seconds: { type: 'string', default: '600' }, seed: { type: 'string', default: '1' } } });
const names = positionals.length ? positionals : ['programs', ...Object.keys(TARGETS)];
for (const name of names) {
  if (name === 'programs') {
    const { status } = spawnSync(process.execPath, [fileURLToPath(new URL('fuzz-native.mjs', import.meta.url)), values.seconds], { stdio: 'inherit' });
    if (status !== 0) process.exit(1);
    continue;
  }
  if (!TARGETS[name]) throw new Error(`there is no target '${name}'; there are programs, ${Object.keys(TARGETS).join(', ')}`);
  const end = performance.now() + 1000 * Number(values.seconds);
  const { mutants, accepted, codes } = await fuzz(name, Number(values.seed), () => performance.now() < end);
  console.log(`${name}: ${mutants} mutants, ${accepted} accepted, refused: ${Object.entries(codes).map(([code, count]) => `${code} ${count}`).join(', ')}`);
}
