/** Values of the options of `hypertune eval`. */
import { InvalidArgumentError } from 'commander';
import type { HyperKind } from '../hyper/config.ts';
import type { TaskFilter } from '../eval/folder-tasks.ts';
import { CONDITIONS } from '../eval/trial.ts';
import type { Condition } from '../eval/trial.ts';

function listOf<T extends string>(allowed: readonly T[]): (text: string) => T[] {
  return (text) => {
    const items = [...new Set(text.split(','))] as T[];
    const wrong = items.find((item) => !allowed.includes(item));
    if (wrong !== undefined) throw new InvalidArgumentError(`'${wrong}' is none of ${allowed.join(', ')}.`);
    return items;
  };
}

export const kindList = listOf<HyperKind>(['lora', 'prefix', 'both']);
export const conditionList = listOf<Condition>(CONDITIONS);

/** `kind=extract,kind=edit,licence_class=open`: values of one field are alternatives, fields are conditions. */
export function taskFilter(text: string): TaskFilter {
  const filter = new Map<string, string[]>();
  for (const item of text.split(',')) {
    const at = item.indexOf('=');
    if (at < 1 || at === item.length - 1) throw new InvalidArgumentError(`'${item}' is not field=value.`);
    const field = item.slice(0, at);
    filter.set(field, [...(filter.get(field) ?? []), item.slice(at + 1)]);
  }
  return filter;
}
