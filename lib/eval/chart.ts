/** Summaries as an SVG document: for each kind of adapter a row of bars per group, one bar per condition, with 95 % intervals. */
import { escapeXml, svgDocument } from '../files/svg.ts';
import type { MetricName } from './scores.ts';
import type { GroupSummary } from './summary.ts';
import { CONDITIONS } from './trial.ts';
import type { Condition } from './trial.ts';

const COLOURS: Readonly<Record<Condition, string>> = { none: '#8c959f', 'in-context': '#0a7ea4', static: '#9a6700', wrong: '#d1242f', permuted: '#8250df', right: '#1a7f37' };
const PANEL = { height: 260, top: 46, bottom: 78, left: 64, right: 16 };
const BAR = 13;
const GROUP_GAP = 22;
const LEAST_WIDTH = 640;

/** One panel per kind. Shares are drawn in percent from 0, log-likelihoods in nats. Pale: a mean over fewer tasks than the others of its group. */
export function evaluationChart(title: string, summaries: readonly GroupSummary[], metric: MetricName): string {
  const kinds = [...new Set(summaries.map(({ kind }) => kind))];
  const shown = CONDITIONS.filter((condition) => summaries.some(({ conditions }) => conditions[condition]?.[metric]));
  const groups = Math.max(...kinds.map((kind) => summaries.filter((s) => s.kind === kind).length));
  const pitch = shown.length * BAR + GROUP_GAP;
  const width = Math.max(LEAST_WIDTH, PANEL.left + groups * pitch + PANEL.right);
  const height = 34 + kinds.length * PANEL.height;
  const legend = shown.map((condition, i) => `<rect x="${PANEL.left + i * 88}" y="24" width="10" height="10" fill="${COLOURS[condition]}"/><text x="${PANEL.left + i * 88 + 14}" y="33">${condition}</text>`);
  return svgDocument(width, height, 11, [
    `<text x="${PANEL.left}" y="16" font-size="14">${escapeXml(title)}</text>`,
    ...legend,
    ...kinds.map((kind, i) => panel(kind, summaries.filter((s) => s.kind === kind), metric, shown, { top: 34 + i * PANEL.height, width, pitch })),
  ]);
}

function panel(kind: string, summaries: readonly GroupSummary[], metric: MetricName, shown: readonly Condition[], { top, width, pitch }: { top: number; width: number; pitch: number }): string {
  const share = !/[lL]ogLikelihood$/.test(metric);
  const values = summaries.flatMap(({ conditions }) => shown.flatMap((c) => (conditions[c]?.[metric] ? [conditions[c][metric].low, conditions[c][metric].high] : [])));
  const ticks = ticksOf(Math.min(0, ...values), Math.max(share ? 0.05 : 0, ...values));
  const [low, high] = [ticks[0], ticks[ticks.length - 1]];
  const [from, to] = [top + PANEL.top, top + PANEL.height - PANEL.bottom];
  const y = (value: number) => to - ((value - low) / (high - low)) * (to - from);
  const label = (value: number) => (share ? `${(100 * value).toFixed(high < 0.2 ? 1 : 0)} %` : value.toFixed(1));
  const parts = [`<text x="${PANEL.left}" y="${top + 30}" font-weight="bold">${kind}</text>`];
  for (const tick of ticks) {
    parts.push(`<line x1="${PANEL.left}" x2="${width - PANEL.right}" y1="${px(y(tick))}" y2="${px(y(tick))}" stroke="#e1e4e8"/><text x="${PANEL.left - 6}" y="${px(y(tick) + 4)}" text-anchor="end">${label(tick)}</text>`);
  }
  summaries.forEach(({ group, conditions }, g) => {
    const full = Math.max(...shown.map((c) => conditions[c]?.[metric]?.tasks ?? 0));
    const x0 = PANEL.left + GROUP_GAP / 2 + g * pitch;
    shown.forEach((condition, i) => {
      const interval = conditions[condition]?.[metric];
      if (!interval) return;
      const x = x0 + i * BAR;
      const [a, b] = [y(Math.max(0, interval.mean)), y(Math.min(0, interval.mean))];
      const middle = x + BAR / 2 - 1;
      parts.push(`<rect x="${px(x)}" y="${px(a)}" width="${BAR - 2}" height="${px(Math.max(0.5, b - a))}" fill="${COLOURS[condition]}" fill-opacity="${interval.tasks < full ? 0.35 : 1}"><title>${escapeXml(group)}, ${condition}: ${label(interval.mean)} [${label(interval.low)}, ${label(interval.high)}], tasks: ${interval.tasks}</title></rect>`);
      parts.push(`<path d="M${px(middle)} ${px(y(interval.low))}V${px(y(interval.high))}m-3 0h6M${px(middle - 3)} ${px(y(interval.low))}h6" stroke="#24292f" fill="none"/>`);
    });
    const [x, below] = [x0 + (shown.length * BAR) / 2, to + 12];
    parts.push(`<text x="${px(x)}" y="${px(below)}" text-anchor="end" transform="rotate(-30 ${px(x)} ${px(below)})">${escapeXml(group)} (${full})</text>`);
  });
  return parts.join('\n');
}

/** Round numbers from at most `low` to at least `high`, about five. */
function ticksOf(low: number, high: number): number[] {
  const rough = (high - low || 1) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999)!;
  const [from, to] = [Math.floor(low / step + 1e-9), Math.max(Math.ceil(high / step - 1e-9), Math.floor(low / step) + 1)];
  return Array.from({ length: to - from + 1 }, (_, i) => (from + i) * step);
}

function px(value: number): string {
  return value.toFixed(1);
}
