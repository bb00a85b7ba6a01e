/** A child process that waits between its turns, mostly a Python script: one line asked, one line of JSON answered. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

export class PeerProcess {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>) {
    this.child = child;
    this.lines = lines;
  }

  static start(python: string, script: string, args: readonly string[], threads: number): Promise<PeerProcess> {
    return PeerProcess.open(python, [script, ...args], threads);
  }

  static async open(command: string, args: readonly string[], threads: number): Promise<PeerProcess> {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, OMP_NUM_THREADS: String(threads), HF_HUB_OFFLINE: '1' } });
    const started = new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    child.stdin.on('error', () => undefined); // a peer that died is reported by the answer it owes
    await started;
    return new PeerProcess(child, createInterface({ input: child.stdout })[Symbol.asyncIterator]());
  }

  /** What it says unasked: its settings, at the start. */
  async answer(): Promise<unknown> {
    const { value, done } = await this.lines.next();
    if (done) throw new Error('the peer ended early; its own message is above.');
    return JSON.parse(value);
  }

  ask(line: string): Promise<unknown> {
    this.child.stdin!.write(`${line}\n`);
    return this.answer();
  }

  async stop(): Promise<void> {
    const ended = this.child.exitCode === null ? new Promise((resolve) => this.child.once('exit', resolve)) : undefined;
    this.child.stdin!.end();
    await ended;
  }
}
