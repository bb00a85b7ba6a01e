import type { Graph } from './graph.ts';
import type { Node, Value } from './node.ts';
import type { OpName } from './ops.gen.ts';

/** What a rule is given: a node of the forward graph, or its copy (recompute.ts), and where its gradients come from and go to. */
export interface GradientRequest {
  readonly g: Graph;
  readonly node: Node;
  /** dL/d(output), f32 in the output's shape; undefined where nothing depends on it. */
  grad(output: string, repetition?: number): Value | undefined;
  /** Whether the operand leads to something a gradient was asked for. */
  needs(operand: string, repetition?: number): boolean;
  /** GRAPH_GRADIENT naming this node and the operand. */
  refuse(operand: string, message: string): never;
}

/** The gradient rule of an op: emits the backward nodes and returns dL/d(operand), a list where the operand repeats. */
export interface GradientRule {
  /** Outputs that a gradient may come from. */
  readonly outputs: readonly string[];
  /** Operands that a gradient can go to. */
  readonly operands: readonly string[];
  apply(request: GradientRequest): Readonly<Record<string, Value | undefined | readonly (Value | undefined)[]>>;
}

export type GradientRules = Partial<Record<OpName, GradientRule>>;
