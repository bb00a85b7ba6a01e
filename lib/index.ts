/** hypertune-native: adapt a frozen T5 to a task from a handful of examples, without gradient steps. */
export { HyperT5 } from './hyper/hypert5.ts';
export type { AdaptOptions, EncodeResult, LoadOptions, ModelInfo, RowAdapters, ScoreResult, TextGenerateOptions, TextResult } from './hyper/hypert5.ts';
export { Adapter } from './adapters/adapter.ts';
export type { AdaptReport, AdapterKind, AdapterSource } from './adapters/adapter.ts';
export type { BankOptions } from './adapters/bank.ts';
export type { HyperKind } from './hyper/config.ts';
export type { Example } from './data/task.ts';
export { readExamples } from './data/formats.ts';
export type { FewShotExample } from './data/formats.ts';
export { HypertuneError } from './engine/errors.ts';
export type { ErrorCode } from './engine/errors.ts';
export { cpuSettings } from './engine/engine.ts';
export type { DeviceInfo, DeviceName } from './engine/engine.ts';
export type { T5Config } from './t5/config.ts';
export type { WeightType } from './t5/parameters.ts';
export type { GenerateOptions } from './t5/decoding/index.ts';
export { Tokenizer } from './tokenizer/tokenizer.ts';
