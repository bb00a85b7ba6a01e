import type { Program } from '../../graph/index.ts';

/** Compiled programs by structure; the least recently used one is disposed when there is no room. */
export class ProgramCache {
  private readonly programs = new Map<string, Program>();
  private readonly size: number;

  constructor(size: number) {
    this.size = size;
  }

  get<F extends string>(key: string, compile: () => Program<F>): Program<F> {
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
