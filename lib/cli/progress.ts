/** Progress on stderr: one line that is rewritten on a terminal, one line a second elsewhere. */
import type { Io } from './io.ts';

const TERMINAL_MS = 80;
const PLAIN_MS = 1000;
const CLEAR_LINE = '\r\u001b[K';

export class Progress {
  private readonly io: Io;
  private readonly enabled: boolean;
  private readonly terminal: boolean;
  private readonly started = performance.now();
  private last = -Infinity;
  private open = false;

  /** Without `forced`, only a terminal sees progress. */
  constructor(io: Io, forced = false) {
    this.io = io;
    this.terminal = io.stderr.isTTY === true;
    this.enabled = forced || this.terminal;
  }

  /** What is going on; `done` of `total` where that is known. The first and the last call are always shown. */
  report(what: string, done?: number, total?: number): void {
    if (!this.enabled) return;
    const now = performance.now();
    const complete = done !== undefined && done === total;
    if (!complete && now - this.last < (this.terminal ? TERMINAL_MS : PLAIN_MS)) return;
    this.last = now;
    const count = done === undefined ? '' : ` ${done}${total === undefined ? '' : `/${total}`}`;
    const line = `${what}${count}, ${((now - this.started) / 1000).toFixed(1)} s`;
    this.io.stderr.write(this.terminal ? `${CLEAR_LINE}${line}` : `${line}\n`);
    this.open = this.terminal;
  }

  /** Takes the line away, so that results start on a clean one. */
  clear(): void {
    if (this.open) this.io.stderr.write(CLEAR_LINE);
    this.open = false;
    this.last = -Infinity;
  }
}
