import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { HyperT5 } from '../../lib/hyper/hypert5.ts';
import { EXAMPLES, TINY, capture, linesOf, temporaryFolder } from './support.ts';

const QUERIES = ['answer member society pass', 'odd act much hold must', 'often even think talk'];

describe('info', () => {
  test('prints sizes, hypermodels and device', async () => {
    const { code, out, err } = await capture(['info', TINY]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^model +.*tiny$/m);
    expect(out).toMatch(/^T5 .*vocabulary 4100$/m);
    expect(out).toMatch(/^hyper-both .*parameters$/m);
    expect(out).toMatch(/^device +cpu \(.*no CUDA backend\b/m);
  });

  test('--json is the ModelInfo', async () => {
    const { out } = await capture(['info', TINY, '--json']);
    const model = await HyperT5.load(TINY);
    const info = model.info();
    await model.dispose();
    expect(JSON.parse(out)).toEqual(JSON.parse(JSON.stringify(info)));
  });
});

describe('adapt and generate', async () => {
  const dir = await temporaryFolder();

  test.each([['lora'], ['prefix']])('an adapter folder of kind %s answers as its examples do', async (kind) => {
    const out = path.join(dir, kind);
    const adapted = await capture(['adapt', TINY, '--examples', EXAMPLES, '--out', out, '--kind', kind, '--json']);
    expect(adapted).toMatchObject({ code: 0, err: '' });
    expect(JSON.parse(adapted.out)).toMatchObject({ out, kind, used: 8, dropped: 0, truncated: false });
    if (kind === 'lora') expect((await readdir(out)).sort()).toEqual(['adapter_config.json', 'adapter_model.safetensors']);

    const loaded = await capture(['generate', TINY, ...QUERIES, '--adapter', out]);
    const direct = await capture(['generate', TINY, ...QUERIES, '--examples', EXAMPLES, '--kind', kind]);
    const alone = await capture(['generate', TINY, ...QUERIES]);
    expect(linesOf(loaded.out)).toHaveLength(QUERIES.length);
    expect(loaded).toEqual(direct);
    expect(loaded.out).not.toBe(alone.out);
  });

  test('adapt says what it wrote', async () => {
    const out = path.join(dir, 'said');
    const { out: said } = await capture(['adapt', TINY, '--examples', EXAMPLES, '--out', out, '--kind', 'lora']);
    expect(said).toMatch(/said: lora adapter \(PEFT folder\), \d+ values from 8 examples \(\d+ tokens\) in \d+ ms\n$/);
  });

  test('examples beyond the window are counted on stderr', async () => {
    const file = path.join(dir, 'many.jsonl');
    const example = JSON.stringify({ input: 'type set society right happy', output: 'set type society right happy' });
    await writeFile(file, `${example}\n`.repeat(100));
    const { code, out, err } = await capture(['adapt', TINY, '--examples', file, '--out', path.join(dir, 'many'), '--json']);
    expect(code).toBe(0);
    const { used, dropped } = JSON.parse(out);
    expect(used).toBeGreaterThan(0);
    expect(dropped).toBe(100 - used);
    expect(err).toContain(`${dropped} of 100 examples`);
  });

  test('queries come from a file or from stdin, an empty line too', async () => {
    const file = path.join(dir, 'queries.txt');
    const lines = [...Array.from({ length: 40 }, (_, i) => QUERIES[i % 3]), '', QUERIES[0]];
    await writeFile(file, `${lines.join('\n')}\n`);
    const fromFile = await capture(['generate', TINY, '--input', file, '--json']);
    const fromStdin = await capture(['generate', TINY, '--json'], { stdin: lines.join('\r\n') });
    const answers = linesOf(fromFile.out).map((line) => JSON.parse(line));
    expect(answers.map(({ query }) => query)).toEqual(lines);
    expect(answers.at(-1).answer).toBe(answers[0].answer);
    expect(fromStdin.out).toBe(fromFile.out);
  });

  test('--stream prints the same answers, in pieces', async () => {
    const pieces: string[] = [];
    const streamed = await capture(['generate', TINY, ...QUERIES, '--examples', EXAMPLES, '--stream'], { onOut: (text) => pieces.push(text) });
    const whole = await capture(['generate', TINY, ...QUERIES, '--examples', EXAMPLES]);
    expect(streamed).toEqual(whole);
    const json = await capture(['generate', TINY, QUERIES[0], '--examples', EXAMPLES, '--stream', '--json']);
    const events = linesOf(json.out).map((line) => JSON.parse(line));
    expect(events.at(-1)).toEqual({ query: QUERIES[0], answer: events.slice(0, -1).map(({ piece }) => piece).join('') });
    expect(events.at(-1).answer).toBe(linesOf(whole.out)[0]);
  });

  test('equal seeds give equal answers, whatever the batch', async () => {
    const sampled = ['--sample', '--temperature', '3', '--top-k', '50', '--max-new-tokens', '8'];
    const both = linesOf((await capture(['generate', TINY, QUERIES[0], QUERIES[0], ...sampled, '--seed', '7'])).out);
    const second = linesOf((await capture(['generate', TINY, QUERIES[0], ...sampled, '--seed', '8'])).out);
    expect(both[1]).toBe(second[0]);
    expect(both[0]).not.toBe(both[1]);
  });

  test('decoding options reach the decoder', async () => {
    const tokens = async (...options: string[]) => JSON.parse((await capture(['generate', TINY, QUERIES[0], '--json', '--examples', EXAMPLES, ...options])).out);
    expect((await tokens('--max-new-tokens', '1')).tokens).toBe(1);
    expect((await tokens('--beams', '4')).score).not.toBe((await tokens()).score);
    const { answer } = await tokens();
    const stop = answer.slice(Math.floor(answer.length / 2)) || 'absent';
    expect((await tokens('--stop', stop)).answer).toBe(stop === 'absent' ? answer : answer.slice(0, answer.indexOf(stop)));
  });
});
