// The CUDA backend as a package of its own, hypertune-native-cuda: lib/engine/cuda.ts finds it beside hypertune-native.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
export const LIBRARY = 'hypertune_cuda.so';

/** Packs a built library into <out>/hypertune-native-cuda-<version>.tgz and returns that path. */
export function packCudaPackage(library, out) {
  const folder = path.join(out, 'package');
  const { version, license, engines, os } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const manifest = {
    name: 'hypertune-native-cuda',
    version,
    description: 'CUDA backend of hypertune-native',
    license,
    files: [LIBRARY],
    engines,
    os,
    cpu: [process.arch],
    peerDependencies: { 'hypertune-native': version },
  };
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  copyFileSync(library, path.join(folder, LIBRARY));
  copyFileSync(path.join(root, 'LICENSE'), path.join(folder, 'LICENSE'));
  writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  writeFileSync(path.join(folder, 'README.md'), `# hypertune-native-cuda\n\nThe CUDA backend of hypertune-native ${version}, which finds it when both are installed. It needs an NVIDIA driver and cuBLAS, and contains NVIDIA's CUDA runtime, which the licence of the CUDA Toolkit lets be passed on.\n`);
  const { status, stdout, stderr } = spawnSync('npm', ['pack', '--pack-destination', '..'], { cwd: folder, encoding: 'utf8' });
  if (status !== 0) throw new Error(`npm pack failed in ${folder}: ${stderr}`);
  return path.join(out, stdout.trim());
}
