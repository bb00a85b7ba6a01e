// The stand-in for libcublasLt: descriptors, layouts, preferences, a heuristic with one algorithm (none where the environment has
// HT_STAND_IN_NO_ALGORITHM), and the product.
//
// The algorithm remembers the shape and the alignments it was chosen for: a product with others is refused. Epilogues other than
// the default, row-major layouts and empty matrices are "not supported".
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "product.h"

namespace {

constexpr size_t kWorkspaceWanted = 64 << 10;
constexpr uint64_t kAlgorithmMagic = 0x676c612d74736574ull;

struct Descriptor {
  Compute compute;
  DataType scale;
  int32_t pointer_mode = 0, transpose_a = 0, transpose_b = 0, epilogue = 1;
};
struct Layout {
  uint32_t type;
  int32_t order = 0;  // column-major
  uint64_t rows, columns;
  int64_t ld;
  int32_t batch = 1;
  int64_t stride = 0;
};
struct Preference {
  uint64_t workspace = 0;
  uint32_t search = 0, reductions = ~0u;
  uint32_t alignment[4] = {256, 256, 256, 256};  // of a, b, c, d
};
struct Algorithm {
  uint64_t magic, m, n, k, workspace;
  uint32_t alignment[4];
  uint64_t unused;
};
struct Heuristic {
  Algorithm algorithm;
  size_t workspace;
  Status state;
  float waves;
  int reserved[4];
};
static_assert(sizeof(Algorithm) == 64 && sizeof(Heuristic) == 96);

template <class T>
Status set(T& field, const void* value, size_t bytes) {
  if (!value || bytes != sizeof(T)) return kInvalidValue;
  std::memcpy(&field, value, bytes);
  return kSuccess;
}

DataType type_of(const Layout& l) { return static_cast<DataType>(l.type); }

// Fills in sizes and types; kInvalidValue where the shapes do not fit together.
Status describe(const Descriptor& desc, const Layout& a, const Layout& b, const Layout& c, const Layout& d, Product* p) {
  p->transpose_a = desc.transpose_a != kNone;
  p->transpose_b = desc.transpose_b != kNone;
  p->m = static_cast<int64_t>(d.rows);
  p->n = static_cast<int64_t>(d.columns);
  p->k = static_cast<int64_t>(p->transpose_a ? a.rows : a.columns);
  p->batch = d.batch;
  const auto is = [](uint64_t x, int64_t y) { return x == static_cast<uint64_t>(y); };
  if (!is(p->transpose_a ? a.columns : a.rows, p->m) || !is(p->transpose_b ? b.columns : b.rows, p->k) || !is(p->transpose_b ? b.rows : b.columns, p->n) || !is(c.rows, p->m) || !is(c.columns, p->n))
    return kInvalidValue;
  for (const Layout* l : {&a, &b, &c, &d}) {
    if (l->ld < static_cast<int64_t>(l->rows) || l->batch != d.batch) return kInvalidValue;
    if (l->order != 0 || l->rows == 0 || l->columns == 0) return kNotSupported;
  }
  if (c.type != d.type || desc.scale != kF32 || desc.pointer_mode != 0 || desc.epilogue != 1) return kNotSupported;
  if (!types_supported(type_of(a), type_of(b), type_of(d), desc.compute)) return kNotSupported;
  p->tf32 = desc.compute == kCompute32FFastTf32;
  return kSuccess;
}

bool aligned(const void* p, uint32_t alignment) { return reinterpret_cast<uintptr_t>(p) % alignment == 0; }

}  // namespace

CUBLAS_API size_t cublasLtGetVersion() { return STAND_IN_VERSION; }
CUBLAS_API Status cublasLtCreate(void** handle) {
  *handle = new char;
  return kSuccess;
}
CUBLAS_API Status cublasLtDestroy(void* handle) {
  delete static_cast<char*>(handle);
  return kSuccess;
}

CUBLAS_API Status cublasLtMatmulDescCreate(Descriptor** desc, Compute compute, DataType scale) {
  *desc = new Descriptor{compute, scale};
  return kSuccess;
}
CUBLAS_API Status cublasLtMatmulDescDestroy(Descriptor* desc) {
  delete desc;
  return kSuccess;
}
CUBLAS_API Status cublasLtMatmulDescSetAttribute(Descriptor* desc, int attribute, const void* value, size_t bytes) {
  switch (attribute) {
    case 2: return set(desc->pointer_mode, value, bytes);
    case 3: return set(desc->transpose_a, value, bytes);
    case 4: return set(desc->transpose_b, value, bytes);
    case 7: return set(desc->epilogue, value, bytes);
    default: return kInvalidValue;
  }
}

CUBLAS_API Status cublasLtMatrixLayoutCreate(Layout** layout, DataType type, uint64_t rows, uint64_t columns, int64_t ld) {
  *layout = new Layout;
  **layout = {static_cast<uint32_t>(type), 0, rows, columns, ld, 1, 0};
  return kSuccess;
}
CUBLAS_API Status cublasLtMatrixLayoutDestroy(Layout* layout) {
  delete layout;
  return kSuccess;
}
CUBLAS_API Status cublasLtMatrixLayoutSetAttribute(Layout* layout, int attribute, const void* value, size_t bytes) {
  switch (attribute) {
    case 0: return set(layout->type, value, bytes);
    case 1: return set(layout->order, value, bytes);
    case 2: return set(layout->rows, value, bytes);
    case 3: return set(layout->columns, value, bytes);
    case 4: return set(layout->ld, value, bytes);
    case 5: return set(layout->batch, value, bytes);
    case 6: return set(layout->stride, value, bytes);
    default: return kInvalidValue;
  }
}

CUBLAS_API Status cublasLtMatmulPreferenceCreate(Preference** preference) {
  *preference = new Preference;
  return kSuccess;
}
CUBLAS_API Status cublasLtMatmulPreferenceDestroy(Preference* preference) {
  delete preference;
  return kSuccess;
}
CUBLAS_API Status cublasLtMatmulPreferenceSetAttribute(Preference* preference, int attribute, const void* value, size_t bytes) {
  switch (attribute) {
    case 0: return set(preference->search, value, bytes);
    case 1: return set(preference->workspace, value, bytes);
    case 3: return set(preference->reductions, value, bytes);
    case 5:
    case 6:
    case 7:
    case 8: return set(preference->alignment[attribute - 5], value, bytes);
    default: return kInvalidValue;
  }
}

CUBLAS_API Status cublasLtMatmulAlgoGetHeuristic(void*, const Descriptor* desc, const Layout* a, const Layout* b, const Layout* c, const Layout* d, const Preference* preference, int wanted,
                                                 Heuristic* results, int* found) {
  *found = 0;
  if (wanted < 1) return kInvalidValue;
  if (std::getenv("HT_STAND_IN_NO_ALGORITHM")) return kNotSupported;
  Product p{};
  if (const Status status = describe(*desc, *a, *b, *c, *d, &p)) return status;
  Heuristic& h = results[0];
  h = Heuristic{};
  h.workspace = std::min<size_t>(preference->workspace, kWorkspaceWanted);
  h.algorithm = {kAlgorithmMagic, d->rows, d->columns, static_cast<uint64_t>(p.k), h.workspace, {}, 0};
  std::copy(std::begin(preference->alignment), std::end(preference->alignment), h.algorithm.alignment);
  h.waves = 1;
  *found = 1;
  return kSuccess;
}

CUBLAS_API Status cublasLtMatmul(void* handle, const Descriptor* desc, const void* alpha, const void* a, const Layout* la, const void* b, const Layout* lb, const void* beta, const void* c, const Layout* lc,
                                 void* d, const Layout* ld, const Algorithm* algorithm, void* workspace, size_t workspace_bytes, emulator::StreamInterface* stream) {
  if (!handle) return kNotInitialized;
  Product p{};
  if (const Status status = describe(*desc, *la, *lb, *lc, *ld, &p)) return status;
  p.a = {a, type_of(*la), la->ld, la->stride};
  p.b = {b, type_of(*lb), lb->ld, lb->stride};
  p.c = {c, type_of(*lc), lc->ld, lc->stride};
  p.d = {d, type_of(*ld), ld->ld, ld->stride};
  p.alpha = *static_cast<const float*>(alpha);
  p.beta = *static_cast<const float*>(beta);
  if (algorithm) {  // else the library asks its own heuristic
    if (algorithm->magic != kAlgorithmMagic || algorithm->m != ld->rows || algorithm->n != ld->columns || algorithm->k != static_cast<uint64_t>(p.k)) return kNotSupported;
    const void* data[] = {a, b, c, d};
    for (int i = 0; i < 4; ++i)
      if (!aligned(data[i], algorithm->alignment[i])) return kInvalidValue;
    if (workspace_bytes < algorithm->workspace) return kInvalidValue;
    p.workspace = workspace;
    p.workspace_bytes = algorithm->workspace;
  }
  return enqueue(stream, p);
}
