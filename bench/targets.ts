/** Targets of speed: what a figure must be and what we aim at, and the table of them. */

export interface Target {
  workload: string;
  /** Its name among the figures. */
  figure: string;
  unit: '%' | 'x' | 'ms' | '';
  /** The figure is to be as small as possible; else as large. */
  small?: boolean;
  must: number;
  aim?: number;
}

export interface Judged extends Target {
  value?: number;
  met: 'aim' | 'yes' | 'no' | 'not measured';
}

export function judge(figures: Readonly<Record<string, number>>, targets: readonly Target[]): Judged[] {
  return targets.map((target) => {
    const value: number | undefined = figures[target.figure];
    const reaches = (goal: number | undefined) => goal !== undefined && (target.small ? value <= goal : value >= goal);
    return { ...target, value, met: !Number.isFinite(value) ? 'not measured' : reaches(target.must) ? (reaches(target.aim) ? 'aim' : 'yes') : 'no' };
  });
}

/** One line per target. */
export function table(judged: readonly Judged[]): string {
  const of = (value: number | undefined, unit: string) => (value === undefined ? '' : `${Number(value.toPrecision(3))}${unit && ` ${unit}`}`);
  const rows = [['', 'value', 'must', 'aim', 'met'], ...judged.map((j) => {
    const sign = j.small ? '<= ' : '>= ';
    return [j.workload, of(j.value, j.unit), sign + of(j.must, j.unit), j.aim === undefined ? '' : sign + of(j.aim, j.unit), j.met];
  })];
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[i]))).join('  ')).join('\n');
}
