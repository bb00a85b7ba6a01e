/** The experiment's report for people. */
import type { Interval } from './bootstrap.ts';
import { MEASURES } from './initialization-summary.ts';
import type { MeasureName, StartReport } from './initialization-summary.ts';

const TITLES: Record<MeasureName, string> = { exact: 'exact match, %', logLikelihood: 'ln p of the answer' };
const HEAD = ['', 'rate', 'step 0', 'end', 'area', 'steps to 95 %', 'end over rates', 'area over rates'];
const WIDTHS = [21, 8, 26, 26, 26, 16, 17, 17];

export function startTable({ tasks, starts, differences }: StartReport): string {
  const lines = MEASURES.flatMap((name) => {
    const show = (x: number) => (name === 'exact' ? (100 * x).toFixed(1) : x.toFixed(2));
    const interval = ({ mean, low, high }: Interval) => `${show(mean)} [${show(low)}, ${show(high)}]`;
    return [
      `${TITLES[name]}: means over ${tasks.length} tasks [95 % bootstrap over tasks]`,
      row(HEAD),
      ...starts.map(({ start, rate, measures, overRates }) => {
        const { zero, end, area, stepsTo95 } = measures[name];
        return row([start, String(rate), interval(zero), interval(end), interval(area), `${stepsTo95.median ?? '-'} (${stepsTo95.reached}/${stepsTo95.tasks})`, show(overRates[name].end), show(overRates[name].area)]);
      }),
      ...differences.map(({ a, b, measures }) => row([`${a} - ${b}`, '', interval(measures[name].zero), interval(measures[name].end), interval(measures[name].area)])),
      '',
    ];
  });
  const diverged = starts.filter((s) => s.diverged).map((s) => `${s.start} ${s.diverged}`);
  return [...lines, ...(diverged.length ? [`curves that diverged: ${diverged.join(', ')}`, ''] : [])].join('\n');
}

function row(cells: readonly string[]): string {
  return cells.map((cell, i) => (i === 0 ? cell.padEnd(WIDTHS[0]) : cell.padStart(WIDTHS[i]))).join('').trimEnd();
}
