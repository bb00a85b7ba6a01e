/** Graphs, their gradients and programs. */
export * from './diff.ts';
export * from './dims.ts';
export * from './gradient.ts';
export * from './graph.ts';
export * from './node.ts';
export * from './ops/index.ts';
export * from './program.ts';
