/**
 * Folders of tasks: JSON Lines files, gzip-compressed or not, whose lines are
 * `{"task": ..., "input": ..., "output": ..., "options": [...]}`, beside an index with what is known of each task.
 */
import { readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parseExamples } from './formats.ts';
import type { FewShotExample } from './formats.ts';
import { poolTask } from './task.ts';
import type { Task } from './task.ts';

/** What an index says of a task. */
export interface TaskInfo {
  readonly task: string;
  readonly definition?: string;
  readonly kind?: string;
  readonly labels?: readonly string[];
  readonly licence_class?: string;
  readonly mean_input_words?: number;
  readonly mean_output_words?: number;
}

export interface FolderTask extends Task {
  readonly examples: readonly FewShotExample[];
  readonly info: TaskInfo;
}

export async function readTaskFolder(folder: string, indexFile: string, keep: (info: TaskInfo) => boolean): Promise<FolderTask[]> {
  const index = new Map((JSON.parse(await readFile(indexFile, 'utf8')) as TaskInfo[]).map((info) => [info.task, info]));
  const byTask = new Map<string, FewShotExample[]>();
  for (const name of (await readdir(folder)).filter((f) => /\.jsonl(\.gz)?$/.test(f)).sort()) {
    const bytes = await readFile(path.join(folder, name));
    for (const example of parseExamples((name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8'), name)) {
      const id = example.task ?? name.replace(/\.jsonl(\.gz)?$/, '');
      const list = byTask.get(id);
      if (list) list.push(example);
      else byTask.set(id, [example]);
    }
  }
  return [...byTask].flatMap(([id, examples]) => {
    const info = index.get(id) ?? { task: id };
    return keep(info) ? [{ ...poolTask(id, examples, info.definition ?? ''), examples, info }] : [];
  });
}
