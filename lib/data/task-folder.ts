/** Folders of tasks as JSON Lines beside an index, the layout of this package's own training runs. */
import { openTasks } from './open-tasks.ts';
import type { FolderTask } from './task-collector.ts';
import type { TaskInfo } from './task-index.ts';

export type { FolderTask } from './task-collector.ts';
export type { TaskInfo } from './task-index.ts';

/** The wanted tasks of `folder/*.jsonl` and `*.jsonl.gz`. A broken record is an error. Throws as `openTasks`. */
export async function readTaskFolder(folder: string, indexFile: string, keep: (info: TaskInfo) => boolean): Promise<FolderTask[]> {
  const files = (name: string) => /^[^/\\]*\.jsonl(\.gz)?$/.test(name);
  return (await openTasks(folder, { index: indexFile, keep, files, strict: true })).tasks;
}
