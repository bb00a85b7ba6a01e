import { readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Engine } from '../../lib/engine/engine.ts';
import { OPS } from '../../lib/graph/ops.gen.ts';
import type { Bound, CaseType } from './cases.ts';
import { bindCase, parseCase, parseNumber, readLines, slotName } from './cases.ts';
import { drawInputs, readDraws } from './draw.ts';
import { philox4x32 } from './philox.ts';
import { runCase } from './run.ts';

const here = import.meta.dirname;
const draws = readDraws(path.join(here, 'draws.txt'));
const reference = Engine.open({ device: 'reference' });
const cpu = Engine.open({ device: 'cpu' });
afterAll(() => Promise.all([reference.dispose(), cpu.dispose()]));

const onReference = (bound: Bound, inputs: readonly Float64Array[]) => runCase(reference, bound, inputs);

// As in test/native/ops/case_runner.cc: a part of the largest magnitude of the reference.
const TOLERANCE: Readonly<Record<CaseType, number>> = { f32: 1e-5, bf16: 1e-2, i32: 0, i8: 0 };

/** The first difference, or undefined. */
function difference(bound: Bound, got: ReadonlyMap<string, ArrayLike<number>>, want: ReadonlyMap<string, ArrayLike<number>>): string | undefined {
  const { source } = bound;
  for (const [name, expected] of want) {
    const actual = got.get(name)!;
    const slot = [...bound.outputs, ...bound.inputs].find((s) => slotName(s) === name)!;
    let largest = 0;
    for (let i = 0; i < expected.length; i++) if (Number.isFinite(expected[i])) largest = Math.max(largest, Math.abs(expected[i]));
    const tol = source.keys.has('tol') && slot.dtype !== 'i32' ? parseNumber(source.keys.get('tol')!) : TOLERANCE[slot.dtype];
    if (actual.length !== expected.length) return `${name} has ${actual.length} elements, not ${expected.length}`;
    for (let i = 0; i < expected.length; i++) {
      const [a, b] = [actual[i], expected[i]];
      const equal = Number.isFinite(a) && Number.isFinite(b) ? Math.abs(a - b) <= tol * largest : Object.is(a, b);
      if (!equal) return `${name}[${i}] is ${a}, should be ${b}`;
    }
  }
  return undefined;
}

test('Philox gives the known answers of Random123', () => {
  const vectors = [
    [[0, 0, 0, 0], [0, 0], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]],
    [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]],
  ] as const;
  for (const [counter, key, want] of vectors) {
    const words = Uint32Array.from(counter);
    philox4x32(words, key);
    expect([...words]).toEqual([...want]);
  }
});

// test/native/ops/known_answers.cc has the same numbers: both runners draw the same data.
test('the data of a case are the same in both runners', async () => {
  const drawn = (text: string) => drawInputs(bindCase(parseCase(text, '')), new Map(), onReference);
  const rows = await drawn('rms_norm T=1 d=3 residual~normal(2,d) residual gain:bf16 gain~uniform(0.5,1.5) seed=3');
  expect([...rows[0]]).toEqual([-1.1604514122009277, -1.3639559745788574, -1.1703888177871704]);
  expect([...rows[1]]).toEqual([-0.13501057028770447, -0.54761070013046265, 0.81064331531524658]);
  expect([...rows[2]]).toEqual([1.4921875, 1.234375, 1.1171875]);
  const packed = await drawn('prefix_attention Tq=9 Tk=9 R=6 K=6 I=2 heads=2 q_offsets seed=4');
  expect([...packed[3]]).toEqual([0, 0, 0, 5, 7, 9, 9]);
});

describe.each(readdirSync(path.join(here, 'cases')).sort())('%s', (file) => {
  const cases = readLines(path.join(here, 'cases', file)).map(({ text, where }) => parseCase(text, where));
  test.each([...new Set(cases.map((c) => c.op))])('%s agrees with the reference', { timeout: 120_000 }, async (op) => {
    for (const c of cases.filter((each) => each.op === op)) {
      const bound = bindCase(c);
      if (c.keys.get('flag') === '1') {
        const run = async (engine: Engine) => runCase(engine, bound, await drawInputs(bound, draws, onReference));
        for (const engine of [reference, cpu]) await expect(run(engine), c.text).rejects.toMatchObject({ code: 'FEED_RANGE' });
        continue;
      }
      const inputs = await drawInputs(bound, draws, onReference);
      const want = await onReference(bound, inputs);
      expect(difference(bound, await runCase(cpu, bound, inputs), want), `${c.where}: ${c.text}`).toBeUndefined();
    }
  });
});

test('every op that has a kernel has cases', () => {
  const covered = new Set(readdirSync(path.join(here, 'cases')).flatMap((f) => readLines(path.join(here, 'cases', f)).map(({ text }) => text.split(' ')[0])));
  expect(Object.values(OPS).filter((op) => !op.view && !covered.has(op.name)).map((op) => op.name)).toEqual([]);
});
