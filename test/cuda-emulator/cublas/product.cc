#include "product.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

namespace {

size_t size_of(DataType type) { return type == kBf16 ? 2 : 4; }

float load(const void* data, DataType type, int64_t i) {
  if (type == kF32) return static_cast<const float*>(data)[i];
  const uint32_t bits = static_cast<uint32_t>(static_cast<const uint16_t*>(data)[i]) << 16;
  float f;
  std::memcpy(&f, &bits, sizeof f);
  return f;
}

void store(void* data, DataType type, int64_t i, float f) {
  if (type == kF32) {
    static_cast<float*>(data)[i] = f;
    return;
  }
  uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  if (f == f) bits += 0x7fff + (bits >> 16 & 1);
  static_cast<uint16_t*>(data)[i] = static_cast<uint16_t>(bits >> 16);
}

float round_to_tf32(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  if ((bits & 0x7f800000u) != 0x7f800000u) bits = (bits + 0xfffu + (bits >> 13 & 1)) & ~0x1fffu;
  std::memcpy(&f, &bits, sizeof f);
  return f;
}

const void* at(const Matrix& matrix, int64_t batch) { return static_cast<const char*>(matrix.data) + static_cast<size_t>(batch * matrix.stride) * size_of(matrix.type); }

// One product of the batch. Columns of op(a) are made contiguous, so that the inner loop runs along them.
void multiply(const Product& p, int64_t batch) {
  std::vector<float> a(static_cast<size_t>(p.m * p.k)), sum(static_cast<size_t>(p.m));
  for (int64_t l = 0; l < p.k; ++l)
    for (int64_t i = 0; i < p.m; ++i) {
      const float v = load(at(p.a, batch), p.a.type, p.transpose_a ? l + i * p.a.ld : i + l * p.a.ld);
      a[static_cast<size_t>(l * p.m + i)] = p.tf32 ? round_to_tf32(v) : v;
    }
  void* d = const_cast<void*>(at(p.d, batch));
  for (int64_t j = 0; j < p.n; ++j) {
    std::fill(sum.begin(), sum.end(), 0.0f);
    for (int64_t l = 0; l < p.k; ++l) {
      float v = load(at(p.b, batch), p.b.type, p.transpose_b ? j + l * p.b.ld : l + j * p.b.ld);
      if (p.tf32) v = round_to_tf32(v);
      const float* column = a.data() + l * p.m;
      for (int64_t i = 0; i < p.m; ++i) sum[static_cast<size_t>(i)] += column[i] * v;
    }
    for (int64_t i = 0; i < p.m; ++i) {
      const float old = p.beta == 0 ? 0 : p.beta * load(at(p.c, batch), p.c.type, i + j * p.c.ld);
      store(d, p.d.type, i + j * p.d.ld, p.alpha * sum[static_cast<size_t>(i)] + old);
    }
  }
}

void run(const Product& p) {
  if (p.workspace_bytes) std::memset(p.workspace, 0xFF, p.workspace_bytes);
  for (int64_t i = 0; i < p.batch; ++i) multiply(p, i);
}

bool inside(const emulator::StreamInterface& stream, const char* name, const Matrix& matrix, int64_t rows, int64_t columns, int64_t batch) {
  const size_t elements = static_cast<size_t>((batch - 1) * matrix.stride + (columns - 1) * matrix.ld + rows), element = size_of(matrix.type);
  if (rows == 0 || columns == 0) return true;
  if (reinterpret_cast<uintptr_t>(matrix.data) % element == 0 && stream.owns(matrix.data, elements * element)) return true;
  std::fprintf(stderr, "stand-in cuBLAS: %s (%lld x %lld, leading dimension %lld) is not in device memory, or misaligned\n", name, static_cast<long long>(rows), static_cast<long long>(columns),
               static_cast<long long>(matrix.ld));
  return false;
}

}  // namespace

Status enqueue(emulator::StreamInterface* stream, const Product& p) {
  if (!stream || stream->magic != emulator::kStreamMagic) return kInvalidValue;
  if (p.m == 0 || p.n == 0 || p.batch == 0) return kSuccess;
  const bool ok = inside(*stream, "a", p.a, p.transpose_a ? p.k : p.m, p.transpose_a ? p.m : p.k, p.batch) && inside(*stream, "b", p.b, p.transpose_b ? p.n : p.k, p.transpose_b ? p.k : p.n, p.batch) &&
                  (p.beta == 0 || inside(*stream, "c", p.c, p.m, p.n, p.batch)) && inside(*stream, "d", p.d, p.m, p.n, p.batch) &&
                  (!p.workspace_bytes || stream->owns(p.workspace, p.workspace_bytes));
  if (!ok) return kInvalidValue;
  const auto work = [](void* data) { run(*static_cast<const Product*>(data)); };
  const auto release = [](void* data) { delete static_cast<Product*>(data); };
  return stream->enqueue(stream, work, new Product(p), release) == 0 ? kSuccess : kExecutionFailed;
}

bool types_supported(DataType a, DataType b, DataType c, Compute compute) {
  if (a != b) return false;
  if (compute == kCompute32F || compute == kCompute32FPedantic) return a == kF32 ? c == kF32 : a == kBf16 && (c == kBf16 || c == kF32);
  return compute == kCompute32FFastTf32 && a == kF32 && c == kF32;
}
