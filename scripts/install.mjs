// npm's install step: use a prebuilt addon where the package carries one that loads, else build from source with CMake.
// node-gyp is never started by accident: package.json says gypfile: false.
import { existsSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

if (existsSync(path.join(root, 'prebuilds'))) {
  try {
    require('node-gyp-build')(root);
    process.exit(0);
  } catch {
    // No prebuilt binary fits this machine: build.
  }
}
if (!existsSync(path.join(root, 'CMakeLists.txt'))) process.exit(0);
const cli = require.resolve('cmake-js/bin/cmake-js');
for (const args of [['configure', '--CDHT_TESTS=OFF'], ['build', '--parallel', '2']]) {
  const { status } = spawnSync(process.execPath, [cli, ...args], { cwd: root, stdio: 'inherit' });
  if (status === 0) continue;
  console.error(`hypertune-native: there is no prebuilt addon for ${process.platform}-${process.arch} here, and building it failed: that needs CMake >= 3.22 and a C++17 compiler.`);
  process.exit(status ?? 1);
}
