/** Values of command-line options. */
import { InvalidArgumentError, Option } from 'commander';

/** 'prefix' | 'lora', as an option. */
export function kindOption(): Option {
  return new Option('--kind <kind>', 'what the hypermodel writes (default: prefix where the model has both)').choices(['lora', 'prefix']);
}

/** Type of the model's weights in memory. */
export function dtypeOption(): Option {
  return new Option('--dtype <type>', 'weights in memory (default: bf16 where the file has 16-bit floats, else f32)').choices(['f32', 'bf16', 'int8']);
}

export function integer(text: string): number {
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(Number(text))) throw new InvalidArgumentError('A whole number is expected.');
  return Number(text);
}

export function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('A number is expected.');
  return value;
}

/** For options that may be given several times. */
export function collect(text: string, before: readonly string[] = []): string[] {
  if (text === '') throw new InvalidArgumentError('A text of at least one character is expected.');
  return [...before, text];
}
