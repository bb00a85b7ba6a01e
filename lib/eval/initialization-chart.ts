/** The experiment's curves as an SVG document: a panel per measure, a line with its 95 % interval per start. */
import { svgDocument } from '../files/svg.ts';
import type { Start, StartSettings } from './initialization.ts';
import { MEASURES } from './initialization-summary.ts';
import type { MeasureName, StartReport } from './initialization-summary.ts';

const PANEL = { width: 460, height: 320, left: 56, right: 16, top: 44, bottom: 44 };
const COLOURS: Record<Start, string> = { generated: '#1f6feb', shared: '#1a7f37', random: '#d1242f' };
const TITLES: Record<MeasureName, string> = { exact: 'exact match', logLikelihood: 'ln p of the answer' };
const TICKS = 5;

/** Steps are evenly spaced as they were measured: most happens in the first few. */
export function startChart(report: StartReport, { at, kind }: Pick<StartSettings, 'at' | 'kind'>): string {
  return svgDocument(PANEL.width * MEASURES.length, PANEL.height, 12, MEASURES.map((name, i) => `<g transform="translate(${i * PANEL.width} 0)">${panel(report, at, name, `${kind}: ${TITLES[name]}, ${report.tasks.length} tasks`)}</g>`));
}

function panel({ starts }: StartReport, at: readonly number[], name: MeasureName, title: string): string {
  const { width, height, left, right, top, bottom } = PANEL;
  const all = starts.flatMap(({ measures }) => measures[name].curve.flatMap(({ low, high }) => [low, high]));
  const [low, high] = name === 'exact' ? [0, Math.max(0.05, ...all)] : [Math.min(...all), Math.max(...all)];
  const span = high - low || 1;
  const x = (i: number) => left + (i / Math.max(1, at.length - 1)) * (width - left - right);
  const y = (value: number) => height - bottom - ((value - low) / span) * (height - top - bottom);
  const point = (i: number, value: number) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`;
  const grid = Array.from({ length: TICKS }, (_, i) => low + (i / (TICKS - 1)) * span);
  const parts = [
    `<text x="${left}" y="18" font-size="14">${title}</text>`,
    ...grid.map((value) => `<line x1="${left}" x2="${width - right}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}" stroke="#ddd"/><text x="${left - 6}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end">${value.toFixed(2)}</text>`),
    ...at.map((step, i) => `<text x="${x(i).toFixed(1)}" y="${height - bottom + 18}" text-anchor="middle">${step}</text>`),
    `<text x="${(left + width - right) / 2}" y="${height - 8}" text-anchor="middle">tuning steps</text>`,
  ];
  starts.forEach(({ start, rate, measures }, i) => {
    const { curve } = measures[name];
    const band = [...curve.map((v, j) => point(j, v.high)), ...curve.map((v, j) => point(j, v.low)).reverse()].join(' ');
    parts.push(
      `<polygon points="${band}" fill="${COLOURS[start]}" fill-opacity="0.1"/>`,
      `<polyline points="${curve.map((v, j) => point(j, v.mean)).join(' ')}" fill="none" stroke="${COLOURS[start]}" stroke-width="2"/>`,
      ...curve.map((v, j) => `<circle cx="${x(j).toFixed(1)}" cy="${y(v.mean).toFixed(1)}" r="2.5" fill="${COLOURS[start]}"/>`),
      `<text x="${left + 110 * i}" y="36" fill="${COLOURS[start]}">${start} (${rate})</text>`,
    );
  });
  return parts.join('\n');
}
