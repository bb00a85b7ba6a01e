import type { Program } from '../../graph/index.ts';

/**
 * Compiled programs; the least recently used one is disposed when there is no room, and all of them when the structure of
 * the states changes, for they hold on to its buffers. A run that has begun is not disturbed.
 */
export class ProgramCache {
  private readonly programs = new Map<string, Program>();
  private readonly size: number;
  private structure = '';

  constructor(size: number) {
    this.size = size;
  }

  get<F extends string>(structure: string, key: string, compile: () => Program<F>): Program<F> {
    if (structure !== this.structure) this.dispose();
    this.structure = structure;
    const program = (this.programs.get(key) as Program<F> | undefined) ?? compile();
    this.programs.delete(key);
    this.programs.set(key, program as unknown as Program);
    if (this.programs.size > this.size) {
      const [oldest] = this.programs.keys();
      this.programs.get(oldest)!.dispose();
      this.programs.delete(oldest);
    }
    return program;
  }

  dispose(): void {
    for (const program of this.programs.values()) program.dispose();
    this.programs.clear();
  }
}
