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
  | 'DEVICE_UNAVAILABLE' // the device reports an error when it is opened
  | 'CUDA_NOT_BUILT' // the backend's library is not there, or does not load
  | 'CUDA_LIBRARY_VERSION' // it belongs to another version of this package
  | 'CUDA_NO_DRIVER'
  | 'CUDA_DRIVER_TOO_OLD'
  | 'CUDA_NO_DEVICE'
  | 'CUDA_DEVICE_TOO_OLD'
  | 'CUBLAS_NOT_FOUND'
  | 'CUBLAS_VERSION' // found, but of another major version than the backend was built for
  | 'CUDA_PROBE_FAILED' // a process that tried the device crashed or hung
  | 'PLATFORM_UNSUPPORTED' // another operating system, or one without a prebuilt addon
  | 'ADDON_LOAD'
  | 'INTERNAL';

export interface ErrorDetails {
  /** The argument, file field, tensor or option at fault. */
  field?: string;
  /** What the caller can do about it; a full sentence. */
  remedy?: string;
  cause?: unknown;
}

/** What to do about codes that have one cause each, where the error does not say it better. */
const REMEDIES: Partial<Record<ErrorCode, string>> = {
  DEVICE_UNAVAILABLE: "Look whether other programs can use the device ('nvidia-smi' shows its state), or use device 'cpu'.",
  CUDA_NOT_BUILT: "Build it with 'npm run build:cuda' in the folder of hypertune-native (needs nvcc), or use device 'cpu' or 'auto'.",
  CUDA_LIBRARY_VERSION: "Build it again with 'npm run build:cuda' in the folder of hypertune-native; a package hypertune-native-cuda must have its version.",
  CUDA_NO_DRIVER: 'Install the NVIDIA driver; in a container, start it with access to the devices (docker run --gpus all).',
  CUDA_DRIVER_TOO_OLD: "Update the NVIDIA driver, or build with an older CUDA toolkit on the PATH ('npm run build:cuda').",
  CUDA_NO_DEVICE: "Look whether 'nvidia-smi -L' lists a device and CUDA_VISIBLE_DEVICES names it.",
  CUDA_DEVICE_TOO_OLD: "Put a device of compute capability 8.0 or newer first in CUDA_VISIBLE_DEVICES, or use device 'cpu'.",
  CUBLAS_NOT_FOUND: 'Install cuBLAS of that version (it comes with the CUDA toolkit, and as a Python package), and set HYPERTUNE_CUBLAS to the folder of libcublas.so if it is in none of these places.',
  CUBLAS_VERSION: 'Install cuBLAS of that version and set HYPERTUNE_CUBLAS to the folder of its libcublas.so.',
  CUDA_PROBE_FAILED: "Look whether 'nvidia-smi' and other CUDA programs still work; until they do, use device 'cpu'.",
};

export class HypertuneError extends Error {
  override readonly name = 'HypertuneError';
  readonly code: ErrorCode;
  readonly field?: string;
  readonly remedy?: string;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    const field = details.field && !message.includes(details.field) ? `${details.field}: ` : '';
    const remedy = details.remedy ?? REMEDIES[code];
    super(`${field}${message}${remedy ? ` ${remedy}` : ''}`, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.field = details.field;
    this.remedy = remedy;
  }
}
