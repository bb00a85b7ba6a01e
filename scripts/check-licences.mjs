// Fails where a package that users install has a licence that is not on the list. Reads package-lock.json.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = path.resolve(process.argv[2] ?? path.dirname(path.dirname(fileURLToPath(import.meta.url))));
/** Permissive licences, which ask for no more than their text. */
const ALLOWED = new Set(['0BSD', 'Apache-2.0', 'BlueOak-1.0.0', 'BSD-2-Clause', 'BSD-3-Clause', 'CC0-1.0', 'ISC', 'MIT', 'Unlicense']);

/** SPDX: of alternatives one is enough, of parts all are needed. */
const allowed = (licence) => licence.replace(/[()]/g, '').split(' OR ').some((choice) => choice.split(' AND ').every((part) => ALLOWED.has(part.trim())));

const { packages } = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8'));
const shipped = Object.entries(packages).filter(([folder, { dev }]) => folder && !dev);
const bad = shipped.filter(([, { license }]) => !license || !allowed(license));
for (const [folder, { license }] of bad) console.error(`${folder}: the licence '${license ?? 'none'}' is not on the list of scripts/check-licences.mjs`);
if (bad.length) process.exit(1);
console.log(`check-licences: ${shipped.length} packages`);
