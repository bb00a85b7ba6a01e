// PTX instructions as functions. Fragments are laid out as in the PTX ISA: a wrong layout in a kernel gives wrong values, except
// one that permutes k alike in a and b, which cancels out. Products are exact in fp32, summed over k in order, then added to c:
// tensor cores round and order otherwise.
//
// Found here: misaligned row addresses of ldmatrix (those of cp.async: async_copy.h).
#pragma once
#include <cstdint>

#include "async_copy.h"
#include "fault.h"

namespace emulator {

enum class Half { bf16, f16 };

// mma.sync.aligned.m16n8k16.row.col.f32.{bf16,f16}.{bf16,f16}.f32
void mma_m16n8k16(Half type, float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const float (&c)[4], Place place = EMULATOR_HERE);

// ldmatrix.sync.aligned.m8n8.x{1,2,4}[.trans].shared.b16: lane 8 i + j gives the address of row j of matrix i.
void load_matrices(int count, bool transposed, uint32_t* r, const void* row, Place place);
template <int N, bool Trans = false>
void ldmatrix(uint32_t (&r)[N], const void* row, Place place = EMULATOR_HERE) {
  static_assert(N == 1 || N == 2 || N == 4, "ldmatrix");
  load_matrices(N, Trans, r, row, place);
}

// cp.async.c{a,g}.shared.global with zero fill, cp.async.commit_group, cp.async.wait_group
template <int Bytes>
void cp_async(void* shared, const void* global, int src_bytes = Bytes, Place place = EMULATOR_HERE) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16, "cp.async");
  start_copy({shared, global, Bytes, src_bytes}, place);
}
inline void cp_async_commit() { commit_copies(); }
template <int Pending>
void cp_async_wait() {
  wait_for_copies(Pending);
}

}  // namespace emulator
