/** A loss curve as an SVG document: one line per series over the steps, smoothed, with the raw values behind. */
import { escapeXml, svgDocument } from '../files/svg.ts';

export interface LossSeries {
  name: string;
  values: readonly number[];
  /** Of each value; counted from 0 when absent. */
  steps?: readonly number[];
}

const WIDTH = 720;
const HEIGHT = 360;
const MARGIN = { left: 56, right: 16, top: 28, bottom: 40 };
const COLOURS = ['#1f6feb', '#d1242f', '#1a7f37', '#8250df', '#9a6700', '#0a7ea4'];
const SMOOTHING = 0.97;

export function lossCurve(title: string, series: readonly LossSeries[]): string {
  const finite = series.flatMap(({ values }) => values.filter(Number.isFinite));
  const steps = Math.max(2, ...series.map(({ values, steps: at }) => (at ? (at.at(-1) ?? 0) + 1 : values.length)));
  const top = finite.reduce((most, value) => Math.max(most, value), 1e-6);
  const x = (step: number) => MARGIN.left + (step / (steps - 1)) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (value: number) => HEIGHT - MARGIN.bottom - (value / top) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const line = (values: readonly number[], at: LossSeries['steps'], style: string) =>
    `<polyline fill="none" ${style} points="${thin(values).map(([i, v]) => `${x(at ? at[i] : i).toFixed(1)},${y(v).toFixed(1)}`).join(' ')}"/>`;
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  return svgDocument(WIDTH, HEIGHT, 12, [
    `<text x="${MARGIN.left}" y="18" font-size="14">${escapeXml(title)}</text>`,
    ...ticks.map((t) => `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${y(t * top)}" y2="${y(t * top)}" stroke="#ddd"/><text x="${MARGIN.left - 6}" y="${y(t * top) + 4}" text-anchor="end">${(t * top).toFixed(2)}</text>`),
    ...ticks.map((t) => `<text x="${x(t * (steps - 1))}" y="${HEIGHT - MARGIN.bottom + 18}" text-anchor="middle">${Math.round(t * (steps - 1))}</text>`),
    `<text x="${WIDTH / 2}" y="${HEIGHT - 6}" text-anchor="middle">step</text>`,
    ...series.flatMap(({ name, values, steps: at }, i) => {
      const colour = COLOURS[i % COLOURS.length];
      return [
        line(values, at, `stroke="${colour}" stroke-opacity="0.2"`),
        line(smooth(values), at, `stroke="${colour}" stroke-width="1.5"`),
        `<text x="${WIDTH - MARGIN.right}" y="${MARGIN.top + 14 * (i + 1)}" text-anchor="end" fill="${colour}">${escapeXml(name)}</text>`,
      ];
    }),
  ]);
}

/** Exponential mean, corrected for its start. */
function smooth(values: readonly number[]): number[] {
  let [mean, weight] = [0, 0];
  return values.map((v) => {
    mean = SMOOTHING * mean + (1 - SMOOTHING) * v;
    weight = SMOOTHING * weight + (1 - SMOOTHING);
    return mean / weight;
  });
}

/** At most one point per half pixel. */
function thin(values: readonly number[]): [number, number][] {
  const every = Math.max(1, Math.floor(values.length / (WIDTH * 2)));
  return values.map((v, i): [number, number] => [i, v]).filter(([i, v]) => i % every === 0 && Number.isFinite(v));
}
