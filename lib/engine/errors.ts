/**
 * Every failure a caller can meet: one class, a stable `code`, the offending `field` and a `remedy`.
 * Codes are part of the public interface; messages are not.
 */
export type ErrorCode =
  // files
  | 'FILE_NOT_FOUND'
  | 'FILE_IO' // the operating system refused a read or a write (disk full, permission)
  | 'FILE_TRUNCATED' // a header or tensor reaches past the end of the file
  | 'FILE_FORMAT' // not what its name says: bad JSON, bad safetensors header, bad protobuf
  | 'FILE_UNSUPPORTED' // a known format that is refused (pickle .bin)
  | 'TENSOR_MISSING'
  | 'TENSOR_UNEXPECTED'
  | 'TENSOR_DTYPE'
  | 'TENSOR_SHAPE'
  | 'TENSOR_RANGE' // overlapping or out-of-range offsets
  | 'TENSOR_NON_FINITE'
  | 'CONFIG_INVALID' // a field of a config file or of options has a value that cannot be used
  | 'CONFIG_UNSUPPORTED' // a valid value this version does not implement
  | 'TOKENIZER_MISMATCH' // tokenizer and embedding disagree
  // calls
  | 'ARGUMENT_INVALID'
  | 'ARGUMENT_RANGE'
  | 'EXAMPLES_EMPTY'
  | 'LENGTH_EXCEEDED'
  | 'ADAPTER_MISMATCH' // an adapter of another base model, or of another method
  | 'HANDLE_CLOSED'
  | 'HANDLE_KIND'
  | 'ABORTED'
  // graph and engine
  | 'GRAPH_INVALID' // a program the engine refuses: names node and operand
  | 'GRAPH_GRADIENT' // no gradient through this node
  | 'FEED_INVALID' // wrong dtype, length or symbol
  | 'FEED_RANGE' // an index outside its declared range
  | 'NUMERIC' // a NaN or infinity where none may be
  | 'MEMORY_LIMIT'
  | 'DEVICE_UNAVAILABLE'
  | 'ADDON_LOAD'
  | 'INTERNAL';

export interface ErrorDetails {
  /** The argument, file field, tensor or option at fault. */
  field?: string;
  /** What the caller can do about it; a full sentence. */
  remedy?: string;
  cause?: unknown;
}

export class HypertuneError extends Error {
  override readonly name = 'HypertuneError';
  readonly code: ErrorCode;
  readonly field?: string;
  readonly remedy?: string;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    const field = details.field && !message.includes(details.field) ? `${details.field}: ` : '';
    const remedy = details.remedy ? ` ${details.remedy}` : '';
    super(`${field}${message}${remedy}`, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.field = details.field;
    this.remedy = details.remedy;
  }
}
