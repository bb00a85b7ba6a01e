// `npm run bench:report -- bench/results/FILE.json`: the table and the chart of docs/performance.md from a result of `npm run bench`.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { escapeXml, svgDocument } from '../../lib/files/svg.ts';
import type { machine } from '../figures.ts';
import type { Judged } from '../targets.ts';
import { judge } from '../targets.ts';
import type { Measured } from './figures.ts';
import { figuresOf } from './figures.ts';
import { TARGETS } from './targets.ts';

const DOCS = fileURLToPath(new URL('../../docs', import.meta.url));
const [BEGIN, END] = ['<!-- npm run bench:report -->', '<!-- end -->'];
const ROW = 20, LEFT = 430, WIDTH = 960, TOP = 46, MOST = 2.5;
const COLOURS = { aim: '#1a7f37', yes: '#0a7ea4', no: '#d1242f', 'not measured': '#8c959f' } as const;

/** How far a value goes: 1 meets the target. */
function reach({ must, small }: Judged, value: number): number {
  return small ? must / value : value / must;
}

/** A bar for each target: as long as what was reached, with lines at what must be reached and at what is aimed at. */
export function chart(judged: readonly Judged[], title: string): string {
  const x = (share: number) => LEFT + ((WIDTH - LEFT - 70) * Math.min(share, MOST)) / MOST;
  const height = TOP + judged.length * ROW + 14;
  return svgDocument(WIDTH, height, 11, [
    `<text x="12" y="18" font-size="14">${escapeXml(title)}</text>`,
    `<text x="${x(1)}" y="38" text-anchor="middle">must</text><line x1="${x(1)}" x2="${x(1)}" y1="42" y2="${height - 10}" stroke="#24292f"/>`,
    ...judged.flatMap((j, i) => {
      const y = TOP + i * ROW;
      const label = `<text x="${LEFT - 8}" y="${y + 13}" text-anchor="end">${escapeXml(j.workload)}</text>`;
      const aim = j.aim === undefined ? '' : `<line x1="${x(reach(j, j.aim))}" x2="${x(reach(j, j.aim))}" y1="${y + 1}" y2="${y + 17}" stroke="#24292f" stroke-dasharray="2 2"/>`;
      if (j.value === undefined) return [label, `<text x="${LEFT + 4}" y="${y + 13}" fill="${COLOURS[j.met]}">not measured</text>`];
      const end = x(reach(j, j.value));
      return [label, `<rect x="${LEFT}" y="${y + 3}" width="${(end - LEFT).toFixed(1)}" height="12" fill="${COLOURS[j.met]}"/>`, aim, `<text x="${end + 5}" y="${y + 13}">${shown(j.value, j.unit)}</text>`];
    }),
  ]);
}

export function markdown(judged: readonly Judged[]): string {
  const rows = judged.map((j) => `| ${j.workload} | ${j.value === undefined ? '' : shown(j.value, j.unit)} | ${shown(j.must, j.unit)} | ${j.aim === undefined ? '' : shown(j.aim, j.unit)} | ${{ aim: 'aim', yes: 'yes', no: '**no**', 'not measured': 'not measured' }[j.met]} |`);
  return ['| workload | reached | must | aim | met |', '|---|---|---|---|---|', ...rows].join('\n');
}

const shown = (value: number, unit: string) => `${Number(value.toPrecision(3))}${unit && ` ${unit}`}`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { positionals: [file] } = parseArgs({ allowPositionals: true });
  if (!file) throw new Error('name a file of bench/results');
  const { machine: host, measured } = JSON.parse(await readFile(file, 'utf8')) as { machine: ReturnType<typeof machine>; measured: Measured };
  const judged = judge(figuresOf(measured), TARGETS);
  const page = path.join(DOCS, 'performance.md');
  const text = await readFile(page, 'utf8');
  const [before, after] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (before < 0 || after < before) throw new Error(`${page} has no place for the table: ${BEGIN} ... ${END}`);
  const head = `${host.cpu}, ${host.isa}, ${host.cores} threads, Node ${host.node}; commit ${host.commit}, ${host.date.slice(0, 10)}; \`bench/results/${path.basename(file)}\`.`;
  await writeFile(page, `${text.slice(0, before + BEGIN.length)}\n\n${head}\n\n${markdown(judged)}\n\n${text.slice(after)}`);
  await writeFile(path.join(DOCS, 'performance.svg'), chart(judged, `What is reached, by target: ${host.cpu}, ${host.isa}`));
}
