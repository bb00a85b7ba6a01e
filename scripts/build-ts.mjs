// `npm run build:ts`: declarations by tsc, one per source file, and the JavaScript in a few files by esbuild: node reads and links 190 small
// modules in more time than the rest of the start takes. Names and line structure stay, so that stack traces can be read.
import { rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { build } from 'esbuild';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
rmSync(path.join(root, 'dist'), { recursive: true, force: true });
const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);
await build({
  absWorkingDir: root, entryPoints: ['lib/index.ts', 'lib/cli/main.ts', 'lib/cli/quickstart.ts'], outbase: 'lib', outdir: 'dist', bundle: true, splitting: true, format: 'esm', platform: 'node',
  target: 'node20', packages: 'external', chunkNames: 'chunks/[name]-[hash]', logLevel: 'warning',
});
