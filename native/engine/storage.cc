#include "engine/storage.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "core/error.h"
#include "core/int8.h"
#include "engine/cuda_library.h"

namespace ht {
namespace {

struct WeightStore {
  std::mutex mutex;
  std::unordered_map<std::string, std::weak_ptr<Storage>> entries;
};
WeightStore& store() {
  static WeightStore* s = new WeightStore;  // never destroyed: worker threads may still hold weights at exit
  return *s;
}

float half_to_float(uint16_t h) {
  const uint32_t sign = (h & 0x8000u) << 16, exponent = (h >> 10) & 31u, mantissa = h & 0x3ffu;
  if (exponent == 0) {
    const float f = std::ldexp(static_cast<float>(mantissa), -24);
    return sign ? -f : f;
  }
  const uint32_t bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112u) << 23) | (mantissa << 13);
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}

struct File {
  explicit File(const std::string& path) : fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd < 0) throw Error(errno == ENOENT ? "FILE_NOT_FOUND" : "FILE_IO", path, format("cannot be opened: %s.", std::strerror(errno)));
  }
  ~File() { ::close(fd); }
  int fd;
};

std::atomic<uint64_t> held{0};

}  // namespace

uint64_t bytes_held() { return held; }

Storage::Storage(HtBackend* backend, size_t bytes) : backend(backend), bytes(bytes) {
  const HtStatus status = backend->alloc(backend->self, bytes ? bytes : 1, &data);
  if (status == HT_NO_MEMORY) throw Error("MEMORY_LIMIT", "buffer", format("%zu bytes could not be had: %s.", bytes, backend->last_error(backend->self)));
  if (status != HT_OK) throw_status(status, backend->last_error(backend->self));
  held += bytes;
}
Storage::~Storage() {
  held -= bytes;
  backend->release(backend->self, data);
}

std::string weight_key(const FileRange& r, DType stored, const HtBackend* backend) {
  struct stat s;
  if (::stat(r.path.c_str(), &s) != 0) return "";
  return format("%p/%d/%llu/%llu/%lld/%lld.%09ld/%lld+%lld/", static_cast<const void*>(backend), static_cast<int>(stored),
                static_cast<unsigned long long>(s.st_dev), static_cast<unsigned long long>(s.st_ino), static_cast<long long>(s.st_size),
                static_cast<long long>(s.st_mtim.tv_sec), s.st_mtim.tv_nsec, static_cast<long long>(r.offset), static_cast<long long>(r.bytes)) + r.dtype;
}

std::shared_ptr<Storage> find_weights(const std::string& key) {
  WeightStore& s = store();
  std::lock_guard<std::mutex> lock(s.mutex);
  const auto it = s.entries.find(key);
  return it == s.entries.end() ? nullptr : it->second.lock();
}

std::shared_ptr<Storage> keep_weights(const std::string& key, std::shared_ptr<Storage> storage) {
  WeightStore& s = store();
  std::lock_guard<std::mutex> lock(s.mutex);
  for (auto it = s.entries.begin(); it != s.entries.end();) it = it->second.expired() ? s.entries.erase(it) : std::next(it);
  std::weak_ptr<Storage>& entry = s.entries[key];
  if (auto there = entry.lock()) return there;
  storage->shared = true;
  entry = storage;
  return storage;
}

namespace {

// Whether all of them are finite numbers. Loops without branches, which the compiler turns into vector code.
template <class From, class To>
bool widen(const char* bytes, float* values, int64_t count, const To& to_float) {
  bool bad = false;
  for (int64_t i = 0; i < count; ++i) {
    From stored;
    std::memcpy(&stored, bytes + i * static_cast<int64_t>(sizeof stored), sizeof stored);
    values[i] = to_float(stored);
    uint32_t bits;
    std::memcpy(&bits, &values[i], 4);
    bad |= (bits & 0x7f800000u) == 0x7f800000u;
  }
  return !bad;
}

// Calls take(first, values, count) for pieces of the tensor, in order, of whole rows of `row` elements.
// Read rather than mapped: a file that shrinks while it is mapped would end the process with SIGBUS.
template <class Take>
void read_floats(const FileRange& r, int64_t elements, int64_t row, const Take& take) {
  const int64_t width = r.dtype == "F32" ? 4 : 2;
  if (r.bytes != elements * width) throw Error("TENSOR_SHAPE", r.path, format("has %lld bytes for %lld elements.", static_cast<long long>(r.bytes), static_cast<long long>(elements)));
  File file(r.path);
  constexpr int64_t kPiece = 1 << 18;
  const int64_t piece = std::min(elements, std::max(row, kPiece / std::max<int64_t>(row, 1) * row));
  std::vector<char> bytes(static_cast<size_t>(piece * width));
  std::vector<float> values(static_cast<size_t>(piece));
  for (int64_t first = 0; first < elements; first += piece) {
    const int64_t count = std::min(piece, elements - first), want = count * width;
    for (int64_t got = 0; got < want;) {
      const int64_t at = first * width + got;
      const ssize_t n = ::pread(file.fd, bytes.data() + got, static_cast<size_t>(want - got), r.offset + at);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw Error("FILE_IO", r.path, format("cannot be read: %s.", std::strerror(errno)));
      if (n == 0) throw Error("FILE_TRUNCATED", r.path, format("ends at byte %lld, inside a tensor.", static_cast<long long>(r.offset + at)));
      got += n;
    }
    const bool finite = width == 4           ? widen<float>(bytes.data(), values.data(), count, [](float x) { return x; })
                        : r.dtype == "F16" ? widen<uint16_t>(bytes.data(), values.data(), count, half_to_float)
                                             : widen<uint16_t>(bytes.data(), values.data(), count, [](uint16_t h) { return bf16_to_float(h); });
    if (!finite) {
      const int64_t i = std::find_if_not(values.begin(), values.end(), [](float x) { return std::isfinite(x); }) - values.begin();
      throw Error("TENSOR_NON_FINITE", r.path, format("element %lld is not a finite number.", static_cast<long long>(first + i)));
    }
    take(first, values.data(), count);
  }
}

}  // namespace

void read_file_range(const FileRange& range, DType stored, void* out, int64_t elements) {
  Tensor target;
  target.data = out;
  target.dtype = stored;
  read_floats(range, elements, 1, [&](int64_t first, const float* values, int64_t count) {
    if (stored == DType::F32) {
      std::memcpy(static_cast<float*>(out) + first, values, static_cast<size_t>(count) * sizeof(float));
    } else if (stored == DType::BF16) {
      for (int64_t i = 0; i < count; ++i) static_cast<bf16_t*>(out)[first + i] = float_to_bf16(values[i]);
    } else {
      for (int64_t i = 0; i < count; ++i) target.set(first + i, values[i]);
    }
  });
}

void read_int8_rows(const FileRange& range, int64_t rows, int8_t* values, float* scales, int64_t elements) {
  const int64_t width = elements / rows;
  read_floats(range, elements, width, [&](int64_t first, const float* x, int64_t count) {
    for (int64_t i = 0; i < count; i += width) {
      const Int8Scale row = int8_scale(largest_magnitude(x + i, width));
      scales[(first + i) / width] = row.scale;
      for (int64_t k = i; k < i + width; ++k) values[first + k] = to_int8(x[k], row);
    }
  });
}

}  // namespace ht
