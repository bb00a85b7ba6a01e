// What test/engine/cuda-absent.test.ts runs as a process of its own: prints why 'cuda' cannot be had, and what 'auto' takes.
import { Engine } from '../../lib/engine/engine.ts';
import type { HypertuneError } from '../../lib/engine/errors.ts';

const answer: Record<string, unknown> = {};
const started = performance.now();
try {
  const engine = Engine.open({ device: 'cuda' });
  answer.info = engine.info();
  await engine.dispose();
} catch (error) {
  const { code, field, message, remedy } = error as HypertuneError;
  answer.error = { code, field, message, remedy };
}
answer.milliseconds = performance.now() - started;
const engine = Engine.open();
const buffer = engine.buffer('f32', 2);
await engine.write(buffer, Float32Array.of(1, 2));
answer.auto = { ...engine.info(), content: [...(await engine.read(buffer))] };
await engine.dispose();
console.log(JSON.stringify(answer));
