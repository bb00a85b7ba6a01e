/** A measured value and the open interval that it must lie in. */
export interface Bound {
  name: string;
  value: number;
  above?: number;
  below?: number;
}

/** Prints each bound; whether all hold. */
export function report(bounds: readonly Bound[]): boolean {
  let ok = true;
  for (const { name, value, above = -Infinity, below = Infinity } of bounds) {
    const holds = value > above && value < below;
    ok &&= holds;
    const wanted = [above > -Infinity && `above ${above.toFixed(3)}`, below < Infinity && `below ${below.toFixed(3)}`].filter(Boolean).join(', ');
    console.log(`${holds ? 'ok    ' : 'MISSED'}  ${name}: ${value.toFixed(3)} (${wanted})`);
  }
  return ok;
}
