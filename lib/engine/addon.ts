/** Finds and loads the compiled addon: what was built on this machine, else the prebuilt binary of the package. */
import { createRequire } from 'node:module';
import path from 'node:path';
import { HypertuneError } from './errors.ts';
import { packageRoot } from './package-root.ts';

const require = createRequire(import.meta.url);
const ROOT = packageRoot();
/** `npm run prebuilds` makes these, for glibc. */
const PREBUILT = ['linux-x64', 'linux-arm64'];

export interface LoadedAddon {
  file: string;
  exports: unknown;
}

/** Throws PLATFORM_UNSUPPORTED or ADDON_LOAD with everything that was tried. */
export function loadAddon(root = ROOT): LoadedAddon {
  const machine = `${process.platform}-${process.arch}`;
  if (process.platform !== 'linux') {
    throw new HypertuneError('PLATFORM_UNSUPPORTED', `hypertune-native runs on Linux only; this is ${machine}.`, {
      field: 'process.platform',
      remedy: 'Run it on Linux on x64 or arm64, for example in a container.',
    });
  }
  let file: string | undefined;
  try {
    file = (require('node-gyp-build') as { path(root: string): string }).path(root);
    return { file, exports: require(file) };
  } catch (cause) {
    const libc = glibc();
    const tried = attempts(root, file, cause as Error).join('; ');
    const build = `Build it in ${root} with 'npm run build:native' (needs CMake >= 3.22 and a C++17 compiler)`;
    if (!PREBUILT.includes(machine) || !libc) {
      throw new HypertuneError('PLATFORM_UNSUPPORTED', `hypertune-native has prebuilt binaries for ${PREBUILT.join(' and ')} with glibc; this is ${machine} with ${libc ?? 'another C library'}. Tried: ${tried}.`, {
        field: libc ? 'process.arch' : 'libc',
        remedy: `${build}; no other system is tested.`,
        cause,
      });
    }
    throw new HypertuneError('ADDON_LOAD', `the native addon of hypertune-native could not be loaded on ${machine}, ${libc}, Node ${process.version}. Tried: ${tried}.`, {
      field: 'hypertune.node',
      remedy: `${build}; in a bundle, keep hypertune-native external.`,
      cause,
    });
  }
}

/** The places where node-gyp-build looks, in its order, up to the file that it found. */
function attempts(root: string, file: string | undefined, cause: Error): string[] {
  const lines: string[] = [];
  for (const place of ['build/Release', 'build/Debug', `prebuilds/${process.platform}-${process.arch}`]) {
    const folder = path.join(root, place);
    if (file?.startsWith(folder)) return [...lines, `${file}: ${cause.message}`];
    lines.push(`${folder}: no addon`);
  }
  return file ? [...lines, `${file}: ${cause.message}`] : lines;
}

/** Undefined where the C library is another one, such as musl. */
function glibc(): string | undefined {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime && `glibc ${header.glibcVersionRuntime}`;
}
