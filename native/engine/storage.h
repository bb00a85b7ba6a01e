// Memory of persistent buffers. Frozen weights that come from the same bytes of the same file are held once per process,
// together with their packed panels, however many engines and worker threads use them.
#pragma once
#include <memory>
#include <string>

#include "core/backend.h"

namespace ht {

struct Storage {
  HtBackend* backend = nullptr;
  void* data = nullptr;
  size_t bytes = 0;
  DerivedCache cache;
  bool shared = false;  // other buffers may come to hold it: its bytes no longer change

  Storage(HtBackend* backend, size_t bytes);  // zeroed; throws Error MEMORY_LIMIT
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
};

// Bytes of all storages of the process.
uint64_t bytes_held();

// A range of a file and the type it is stored as in memory.
struct FileRange {
  std::string path;
  int64_t offset = 0, bytes = 0;
  std::string dtype;  // F32 | F16 | BF16
};

// Names the file's identity (device, inode, size, modification) and the range; empty when the file cannot be seen.
std::string weight_key(const FileRange& range, DType stored, const HtBackend* backend);

std::shared_ptr<Storage> find_weights(const std::string& key);
// Keeps what is there when another thread was faster, and returns it.
std::shared_ptr<Storage> keep_weights(const std::string& key, std::shared_ptr<Storage> storage);

// Reads and converts into host memory of type `stored` (f32, bf16 or f64). Throws FILE_NOT_FOUND, FILE_IO, FILE_TRUNCATED,
// TENSOR_NON_FINITE.
void read_file_range(const FileRange& range, DType stored, void* out, int64_t elements);
// The same for `rows` rows of int8 and their scales (core/int8.h).
void read_int8_rows(const FileRange& range, int64_t rows, int8_t* values, float* scales, int64_t elements);

}  // namespace ht
