/** Arguments that ops share. */
import type { FloatType } from '../node.ts';

export interface Named {
  /** Last part of the node's name in messages. */
  name?: string;
}

export interface Rounded extends Named {
  /** Type of the result; f32 when absent. */
  dtype?: FloatType;
}
