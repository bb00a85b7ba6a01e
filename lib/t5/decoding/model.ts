import type { Engine } from '../../engine/engine.ts';
import type { Graph } from '../../graph/index.ts';
import type { T5Config } from '../config.ts';
import type { Parameters } from '../parameters.ts';
import type { States } from '../states.ts';

/** Where the states of a batch's slots come from. */
export interface Adaptation {
  /** Changes whenever `states` would build another structure or name other buffers; programs are kept under it. */
  key(): string;
  states(g: Graph): States | undefined;
}

/** What every program of decoding is compiled from. */
export interface DecodedModel {
  engine: Engine;
  config: T5Config;
  parameters: Parameters;
  adaptation?: Adaptation;
}
