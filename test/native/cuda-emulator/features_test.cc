// One check for each thing that a kernel may use, under every schedule.
#include <cmath>
#include <cstring>

#include "emulated.h"

namespace {

// ---- indices

__global__ void visit_kernel(int* visits) {
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  visits[block * (blockDim.x * blockDim.y * blockDim.z) + thread] += 1;
}

void test_indices() {
  const dim3 grid(2, 3, 2), block(4, 5, 3);
  const DeviceArray<int> visits(std::vector<int>(12 * 60, 0));
  CHECK_OK(dev::launch(visit_kernel, grid, block, 0, nullptr, visits.data()));
  for (int v : visits.read()) CHECK(v == 1);
}

// ---- warps

__global__ void shuffle_kernel(int* out) {
  const int t = threadIdx.x;
  const unsigned all = 0xffffffffu;
  out[t] = __shfl_sync(all, t, 3, 8);
  out[32 + t] = __shfl_up_sync(all, t, 2, 16);
  out[64 + t] = __shfl_down_sync(all, t, 5, 16);
  out[96 + t] = __shfl_xor_sync(all, t, 12);
  out[128 + t] = t < 16 ? __shfl_sync(0x0000ffffu, t, 5) : __shfl_sync(0xffff0000u, t, 20);  // two halves at once
  const float4 wide = __shfl_sync(all, make_float4(t, t + 1, t + 2, t + 3), 7);
  out[160 + t] = static_cast<int>(wide.x * 1000 + wide.w);
}

void test_shuffles() {
  const DeviceArray<int> out(192);
  CHECK_OK(dev::launch(shuffle_kernel, dim3(1), dim3(32), 0, nullptr, out.data()));
  const std::vector<int> v = out.read();
  for (int t = 0; t < 32; ++t) {
    CHECK(v[t] == t / 8 * 8 + 3);
    CHECK(v[32 + t] == (t % 16 < 2 ? t : t - 2));
    CHECK(v[64 + t] == (t % 16 + 5 > 15 ? t : t + 5));
    CHECK(v[96 + t] == (t ^ 12));
    CHECK(v[128 + t] == (t < 16 ? 5 : 20));
    CHECK(v[160 + t] == 7010);
  }
}

__global__ void warp_vote_kernel(unsigned* out, int* reduced) {
  const int t = threadIdx.x;
  const unsigned all = 0xffffffffu;
  out[t] = __ballot_sync(all, t % 3 == 0);
  out[32 + t] = static_cast<unsigned>(__any_sync(all, t == 31) * 2 + __all_sync(all, t < 31));
  out[64 + t] = __reduce_or_sync(all, 1u << t % 5);
  reduced[t] = __reduce_add_sync(all, t - 20);
  reduced[32 + t] = __reduce_min_sync(all, t - 20);
  reduced[64 + t] = static_cast<int>(__reduce_max_sync(all, static_cast<unsigned>(t - 20)));  // unsigned: -1 is the largest
}

void test_warp_votes() {
  const DeviceArray<unsigned> out(96);
  const DeviceArray<int> reduced(96);
  CHECK_OK(dev::launch(warp_vote_kernel, dim3(1), dim3(32), 0, nullptr, out.data(), reduced.data()));
  const std::vector<unsigned> v = out.read();
  const std::vector<int> r = reduced.read();
  for (int t = 0; t < 32; ++t) {
    CHECK(v[t] == 0x49249249u && v[32 + t] == 2u && v[64 + t] == 31u);
    CHECK(r[t] == 496 - 640 && r[32 + t] == -20 && r[64 + t] == -1);
  }
}

// Lanes pass values through shared memory; __syncwarp is all that orders them.
__global__ void syncwarp_kernel(int* out, int rounds) {
  SHARED(int, box, [64]);
  const int t = threadIdx.x;
  int sum = 0;
  for (int r = 0; r < rounds; ++r) {
    box[t] = r * 100 + t;
    __syncwarp();
    sum += box[t ^ 31];
    __syncwarp();
  }
  out[t] = sum;
}

void test_syncwarp() {
  const DeviceArray<int> out(64);
  CHECK_OK(dev::launch(syncwarp_kernel, dim3(1), dim3(64), 0, nullptr, out.data(), 4));
  const std::vector<int> v = out.read();
  for (int t = 0; t < 64; ++t) CHECK(v[t] == 600 + 4 * (t ^ 31));
}

// ---- blocks

__global__ void block_vote_kernel(int* out) {
  const int t = threadIdx.x;
  const int count = __syncthreads_count(t % 5 == 0), any = __syncthreads_or(t == 70), all = __syncthreads_and(t < 95);
  out[t] = count * 100 + (any ? 10 : 0) + (all ? 1 : 0);
}

void test_block_votes() {
  const DeviceArray<int> out(96);
  CHECK_OK(dev::launch(block_vote_kernel, dim3(1), dim3(96), 0, nullptr, out.data()));
  for (int v : out.read()) CHECK(v == 2010);
}

// Warp 0 makes, warp 1 uses; each waits for the other at a named barrier, at which the other only counts.
__global__ void named_barrier_kernel(int* out, int rounds) {
  SHARED(int, box, [32]);
  const int lane = threadIdx.x % 32;
  int sum = 0;
  for (int r = 0; r < rounds; ++r) {
    if (threadIdx.x < 32) {
      box[lane] = r * 32 + lane;
      emulator::arrive_named(1, 64, EMULATOR_HERE);
      emulator::sync_named(2, 64, EMULATOR_HERE);
    } else {
      emulator::sync_named(1, 64, EMULATOR_HERE);
      sum += box[31 - lane];
      emulator::arrive_named(2, 64, EMULATOR_HERE);
    }
  }
  if (threadIdx.x >= 32) out[lane] = sum;
}

void test_named_barriers() {
  const DeviceArray<int> out(32);
  CHECK_OK(dev::launch(named_barrier_kernel, dim3(1), dim3(64), 0, nullptr, out.data(), 5));
  const std::vector<int> v = out.read();
  for (int lane = 0; lane < 32; ++lane) CHECK(v[lane] == 320 + 5 * (31 - lane));
}

// Whole warps may return before the others meet again at warp operations; the rest of the block has no barrier left.
__global__ void early_return_kernel(int* out) {
  const int t = threadIdx.x;
  out[t] = -1;
  if (t >= 64) return;
  out[t] = __shfl_xor_sync(0xffffffffu, t, 1);
}

void test_early_return() {
  const DeviceArray<int> out(100);
  CHECK_OK(dev::launch(early_return_kernel, dim3(1), dim3(100), 0, nullptr, out.data()));
  const std::vector<int> v = out.read();
  for (int t = 0; t < 100; ++t) CHECK(v[t] == (t < 64 ? (t ^ 1) : -1));
}

struct alignas(16) Pair {
  double value;
  int index;
};

// Static and dynamic shared memory begin poisoned, are each block's own, and are aligned as their types ask for.
__global__ void shared_kernel(int* out) {
  SHARED(char, one);
  SHARED(Pair, pairs, [3]);
  SHARED(float, scalar);
  DYN_SHARED(float, dynamic);
  const int t = threadIdx.x;
  if (t == 0) {
    bool ok = isnan(scalar) && isnan(dynamic[0]) && isnan(dynamic[99]) && pairs[2].index == -1;
    ok = ok && reinterpret_cast<uintptr_t>(pairs) % 16 == 0 && reinterpret_cast<uintptr_t>(dynamic) % 16 == 0;
    one = 'a';
    scalar = 1.5f;
    pairs[2].index = static_cast<int>(blockIdx.x);
    dynamic[99] = scalar;
    out[blockIdx.x] = ok;
  }
  __syncthreads();
  if (t == 40) out[blockIdx.x] += one == 'a' && dynamic[99] == 1.5f && pairs[2].index == static_cast<int>(blockIdx.x) ? 2 : 0;
}

void test_shared_memory() {
  const DeviceArray<int> out(5);
  CHECK_OK(dev::launch(shared_kernel, dim3(5), dim3(64), 400, nullptr, out.data()));
  for (int v : out.read()) CHECK(v == 3, "%d", v);
}

// ---- memory

__global__ void atomic_kernel(float* f, int* least, int* most, unsigned* swapped, unsigned long long* bits) {
  atomicAdd(f, 0.5f);
  atomicMin(least, -static_cast<int>(threadIdx.x));
  atomicMax(most, static_cast<int>(threadIdx.x));
  atomicOr(bits, 1ull << threadIdx.x % 64);
  for (unsigned seen = atomicAdd(swapped, 0u);;) {
    const unsigned before = atomicCAS(swapped, seen, seen + 2u);
    if (before == seen) break;
    seen = before;
  }
}

void test_atomics() {
  const DeviceArray<float> f(std::vector<float>{0});
  const DeviceArray<int> least(std::vector<int>{5}), most(std::vector<int>{-5});
  const DeviceArray<unsigned> swapped(std::vector<unsigned>{0});
  const DeviceArray<unsigned long long> bits(std::vector<unsigned long long>{0});
  CHECK_OK(dev::launch(atomic_kernel, dim3(3), dim3(100), 0, nullptr, f.data(), least.data(), most.data(), swapped.data(), bits.data()));
  CHECK(f.read()[0] == 150.0f && least.read()[0] == -99 && most.read()[0] == 99 && swapped.read()[0] == 600u && bits.read()[0] == ~0ull);
}

// Two groups under way; the last copy of each row is cut short and filled with zeros.
__global__ void async_copy_kernel(const float* in, float* out) {
  SHARED(float, tile, [2][128]);
  const int t = threadIdx.x;
  for (int group = 0; group < 2; ++group) {
    dev::cp_async<16>(&tile[group][4 * t], in + group * 128 + 4 * t, t == 31 ? 4 : 16);
    dev::cp_async_commit();
  }
  dev::cp_async_wait<1>();
  __syncthreads();
  for (int i = t; i < 128; i += 32) out[i] = tile[0][127 - i];
  dev::cp_async_wait<0>();
  __syncthreads();
  for (int i = t; i < 128; i += 32) out[128 + i] = tile[1][127 - i];
}

void test_async_copies() {
  std::vector<float> in(256);
  for (int i = 0; i < 256; ++i) in[i] = static_cast<float>(i + 1);
  const DeviceArray<float> from(in), to(256);
  CHECK_OK(dev::launch(async_copy_kernel, dim3(1), dim3(32), 0, nullptr, from.data(), to.data()));
  const std::vector<float> v = to.read();
  for (int group = 0; group < 2; ++group)
    for (int i = 0; i < 128; ++i) CHECK(v[group * 128 + i] == (127 - i > 124 ? 0.0f : in[group * 128 + 127 - i]));
}

// ---- matrices: c (16 x 8) = a (16 x 16) b (16 x 8) + 1..4 by register. b from [k][n] through .trans, or from [n][k] without.

template <class T, emulator::Half type, bool ByColumns>
__global__ void mma_kernel(const T* a, const T* b, float* c) {
  DYN_SHARED(T, tile);
  const int lane = threadIdx.x;
  for (int i = lane; i < 256; i += 32) tile[i] = a[i];
  for (int i = lane; i < 128; i += 32) tile[256 + i] = b[i];
  __syncwarp();
  uint32_t fa[4], fb[2];
  dev::ldmatrix<4>(fa, tile + lane % 16 * 16 + lane / 16 * 8);
  if constexpr (ByColumns) dev::ldmatrix<2>(fb, tile + 256 + lane % 8 * 16 + lane / 8 % 2 * 8);
  else dev::ldmatrix<2, true>(fb, tile + 256 + lane % 16 * 8);
  float d[4] = {1, 2, 3, 4};
  emulator::mma_m16n8k16(type, d, fa, fb, d);
  for (int r = 0; r < 4; ++r) c[(lane / 4 + r / 2 * 8) * 8 + lane % 4 * 2 + r % 2] = d[r];
}

template <class T, emulator::Half type, bool ByColumns>
void test_mma() {
  std::vector<T> a(256), b(128), given(128);
  for (int i = 0; i < 256; ++i) a[i] = static_cast<float>(i * 7 % 13 - 6);
  for (int i = 0; i < 128; ++i) b[i] = static_cast<float>(i * 5 % 11 - 5);
  for (int k = 0; k < 16; ++k)
    for (int n = 0; n < 8; ++n) given[ByColumns ? n * 16 + k : k * 8 + n] = b[k * 8 + n];
  const DeviceArray<T> da(a), db(given);
  const DeviceArray<float> dc(128);
  CHECK_OK(dev::launch(mma_kernel<T, type, ByColumns>, dim3(1), dim3(32), 384 * sizeof(T), nullptr, da.data(), db.data(), dc.data()));
  const std::vector<float> c = dc.read();
  for (int m = 0; m < 16; ++m) {
    for (int n = 0; n < 8; ++n) {
      float want = static_cast<float>(1 + m / 8 * 2 + n % 2);
      for (int k = 0; k < 16; ++k) want += float(a[m * 16 + k]) * float(b[k * 8 + n]);
      CHECK(c[m * 8 + n] == want);
    }
  }
}

// ---- numbers

// Of the two 16-bit neighbours the nearer, by double arithmetic; the even one of two equally near.
template <class T>
bool nearest(float f, uint16_t got, uint16_t infinity) {
  const auto value = [](uint16_t bits) {
    T h;
    h.bits = bits;
    return static_cast<double>(float(h));
  };
  if (std::isnan(f)) return std::isnan(value(got));
  const uint16_t size = got & 0x7fff;
  if (size > infinity) return false;
  const double x = std::fabs(static_cast<double>(f)), at = value(size);
  const double below = size ? value(size - 1) : 0;
  const double step = size == infinity ? value(infinity - 1) - value(infinity - 2) : size ? at - below : value(1);
  const double here = size == infinity ? value(infinity - 1) + step : at;  // infinity rounds as the next number would
  const double above = size >= infinity ? INFINITY : size + 1 == infinity ? here + step : value(size + 1);
  const bool low = x > (here + below) / 2 || (x == (here + below) / 2 && size % 2 == 0), high = x < (here + above) / 2 || (x == (here + above) / 2 && size % 2 == 0);
  return (low || size == 0) && (high || size == infinity) && std::signbit(f) == (got >> 15 == 1);
}

void test_conversions() {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    __nv_bfloat16 b;
    __half h;
    b.bits = h.bits = static_cast<uint16_t>(bits);
    CHECK(std::isnan(float(b)) || __nv_bfloat16(float(b)).bits == bits);
    CHECK(std::isnan(float(h)) || __half(float(h)).bits == bits);
  }
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += 16381) {
    const float f = __uint_as_float(static_cast<unsigned>(bits));
    CHECK(nearest<__nv_bfloat16>(f, __nv_bfloat16(f).bits, 0x7f80), "%08x", static_cast<unsigned>(bits));
    CHECK(nearest<__half>(f, __half(f).bits, 0x7c00), "%08x", static_cast<unsigned>(bits));
  }
  CHECK(float(__half(65519.9f)) == 65504.0f && std::isinf(float(__half(65520.0f))) && float(__half(0x1p-25f)) == 0.0f && float(__half(0x1.8p-24f)) == 0x1p-23f);
  const __nv_bfloat16 one(1.0f), little(0x1p-8f);
  CHECK(float(one + little) == 1.0f && float(one - little) == 1.0f - 0x1p-8f);  // rounded after the operation, to even
}

void test_types() {
  static_assert(sizeof(float4) == 16 && alignof(float4) == 16 && alignof(float2) == 8 && alignof(float3) == 4 && alignof(uint4) == 16);
  static_assert(sizeof(__nv_bfloat162) == 4 && alignof(__nv_bfloat162) == 4 && sizeof(dim3) == 12 && alignof(longlong2) == 16 && alignof(uchar4) == 4);
  CHECK(__brev(1u) == 0x80000000u && __popc(0xf0f0u) == 8 && __clz(1) == 31 && __clz(0) == 32 && __ffs(8) == 4 && __umulhi(0x80000000u, 6u) == 3u);
  CHECK(min(3, 5) == 3 && max(2.5f, -1.0f) == 2.5f && __saturatef(NAN) == 0.0f && __float2int_rn(2.5f) == 2);
}

}  // namespace

int main() {
  under_every_schedule([](const char* name) {
    const int before = failures;
    test_indices();
    test_shuffles();
    test_warp_votes();
    test_syncwarp();
    test_block_votes();
    test_named_barriers();
    test_early_return();
    test_shared_memory();
    test_atomics();
    test_async_copies();
    test_mma<__nv_bfloat16, emulator::Half::bf16, false>();
    test_mma<__nv_bfloat16, emulator::Half::bf16, true>();
    test_mma<__half, emulator::Half::f16, false>();
    if (failures != before) std::printf("under the schedule %s\n", name);
  });
  test_conversions();
  test_types();
  std::printf("%llu blocks, %llu switches of fibers\n", static_cast<unsigned long long>(emulator::statistics.blocks), static_cast<unsigned long long>(emulator::statistics.switches));
  return report("emulator_features_test");
}
