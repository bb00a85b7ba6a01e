/** `peer.py`: the same training in PyTorch. */
import { fileURLToPath } from 'node:url';
import { PeerProcess } from '../peer.ts';

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
  private readonly process: PeerProcess;

  private constructor(process: PeerProcess, settings: PeerSettings) {
    this.process = process;
    this.settings = settings;
  }

  static async start(python: string, folder: string, threads: number): Promise<Peer> {
    const process = await PeerProcess.start(python, SCRIPT, [folder, String(threads)], threads);
    return new Peer(process, (await process.answer()) as PeerSettings);
  }

  async run(first: number, count: number): Promise<PeerSteps> {
    return (await this.process.ask(`${first} ${count}`)) as PeerSteps;
  }

  stop(): Promise<void> {
    return this.process.stop();
  }
}
