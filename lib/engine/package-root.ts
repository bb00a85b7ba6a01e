/** The folder of this package: addon, weights and package.json are found from there, whatever files the code was bundled into. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export function packageRoot(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(folder, 'package.json'))) {
    const above = path.dirname(folder);
    if (above === folder) break; // copied somewhere without it: loading the addon then says what is missing
    folder = above;
  }
  return folder;
}
