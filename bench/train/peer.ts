/** `peer.py` as a child process that waits between its turns. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('peer.py', import.meta.url));

/** Of each step: seconds, those of the CPU, mean loss per answer token, norm of the gradient before clipping. */
export interface PeerSteps {
  seconds: number[];
  cpuSeconds: number[];
  loss: number[];
  norm: number[];
}

/** Versions, and the ways of attention and AdamW that were fastest. */
export type PeerSettings = Record<'torch' | 'transformers' | 'attention' | 'adamw', string>;

export class Peer {
  readonly settings: PeerSettings;
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>, settings: PeerSettings) {
    this.child = child;
    this.lines = lines;
    this.settings = settings;
  }

  static async start(python: string, folder: string, threads: number): Promise<Peer> {
    const child = spawn(python, [SCRIPT, folder, String(threads)], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, OMP_NUM_THREADS: String(threads), HF_HUB_OFFLINE: '1' } });
    const started = new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    child.stdin.on('error', () => undefined); // a peer that died is reported by the answer it owes
    await started;
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return new Peer(child, lines, (await answer(lines)) as PeerSettings);
  }

  async run(first: number, count: number): Promise<PeerSteps> {
    this.child.stdin!.write(`${first} ${count}\n`);
    return (await answer(this.lines)) as PeerSteps;
  }

  async stop(): Promise<void> {
    const ended = this.child.exitCode === null ? new Promise((resolve) => this.child.once('exit', resolve)) : undefined;
    this.child.stdin!.end();
    await ended;
  }
}

async function answer(lines: AsyncIterator<string>): Promise<unknown> {
  const { value, done } = await lines.next();
  if (done) throw new Error('the peer ended early; its own message is above.');
  return JSON.parse(value);
}
