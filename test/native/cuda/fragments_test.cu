// Which element lies in which register of which lane: what kernels and the emulator both take from the PTX ISA. One source, run on
// the emulated device and, compiled by nvcc, on a real one (`npm run gpu-check`). Layouts are checked register by register, for
// one that permutes k alike in both operands of a product would cancel out.
#include <cstring>

#include "cuda-emulator/emulated.h"

namespace {

// Words of two elements, the lower index in the low half.
__host__ __device__ inline uint32_t pair(uint32_t low, uint32_t high) { return low | high << 16; }

// ---- ldmatrix: register i of lane l is row l / 4, columns 2 (l % 4) and the next of matrix i; with .trans its columns and rows.

template <int N, bool Trans>
__global__ void ldmatrix_kernel(uint32_t* out) {
  DYN_SHARED(uint16_t, tile);
  const int lane = threadIdx.x;
  for (int i = lane; i < 4 * 64; i += 32) tile[i] = static_cast<uint16_t>(i);
  __syncwarp();
  uint32_t r[N];
  dev::ldmatrix<N, Trans>(r, tile + lane % (8 * N) * 8);
  for (int i = 0; i < N; ++i) out[i * 32 + lane] = r[i];
}

template <int N, bool Trans>
void test_ldmatrix() {
  const DeviceArray<uint32_t> out(N * 32);
  CHECK_OK(dev::launch(ldmatrix_kernel<N, Trans>, dim3(1), dim3(32), 4 * 64 * sizeof(uint16_t), nullptr, out.data()));
  const std::vector<uint32_t> v = out.read();
  for (uint32_t i = 0; i < N; ++i) {
    for (uint32_t lane = 0; lane < 32; ++lane) {
      const uint32_t row = lane / 4, column = lane % 4 * 2;
      const uint32_t want = Trans ? pair(i * 64 + column * 8 + row, i * 64 + (column + 1) * 8 + row) : pair(i * 64 + row * 8 + column, i * 64 + row * 8 + column + 1);
      CHECK(v[i * 32 + lane] == want, "x%d%s, matrix %u, lane %u", N, Trans ? ".trans" : "", i, lane);
    }
  }
}

// ---- mma: an operand comes through ldmatrix, or from the formula. b is stored [n][k]; ByRows: [k][n], read with .trans.

enum class From { Ldmatrix, Transposed, Formula };

template <From A, From B>
__global__ void mma_kernel(const uint16_t* a, const uint16_t* b, float* c) {
  DYN_SHARED(uint16_t, left);
  uint16_t *right = left + 256, *right_rows = right + 128;
  const int lane = threadIdx.x, g = lane / 4, t = lane % 4;
  for (int i = lane; i < 256; i += 32) left[i] = a[i];
  for (int i = lane; i < 128; i += 32) {
    right[i] = b[i];
    right_rows[i % 16 * 8 + i / 16] = b[i];
  }
  __syncwarp();
  uint32_t fa[4], fb[2];
  if constexpr (A == From::Ldmatrix) dev::ldmatrix<4>(fa, left + lane % 16 * 16 + lane / 16 * 8);
  else
    for (int i = 0; i < 4; ++i) {
      const uint16_t* at = left + (g + i % 2 * 8) * 16 + 2 * t + i / 2 * 8;
      fa[i] = pair(at[0], at[1]);
    }
  if constexpr (B == From::Ldmatrix) dev::ldmatrix<2>(fb, right + lane % 8 * 16 + lane / 8 % 2 * 8);
  else if constexpr (B == From::Transposed) dev::ldmatrix<2, true>(fb, right_rows + lane % 16 * 8);
  else
    for (int i = 0; i < 2; ++i) {
      const uint16_t* at = right + g * 16 + 2 * t + i * 8;
      fb[i] = pair(at[0], at[1]);
    }
  float d[4] = {1, 2, 3, 4};
  dev::mma_m16n8k16_bf16(d, fa, fb, d);
  for (int i = 0; i < 4; ++i) c[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = d[i];
}

// bf16: the upper half of a float.
uint16_t bits_of(int value) {
  const float f = static_cast<float>(value);
  uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  return static_cast<uint16_t>(bits >> 16);
}

template <From A, From B>
void test_mma(const char* name) {
  std::vector<uint16_t> a(256), b(128);
  std::vector<int> av(256), bv(128);  // small integers: sums are exact in any order
  for (int i = 0; i < 256; ++i) a[i] = bits_of(av[i] = i * 7 % 13 - 6);
  for (int i = 0; i < 128; ++i) b[i] = bits_of(bv[i] = i * 5 % 11 - 5);
  const DeviceArray<uint16_t> da(a), db(b);
  const DeviceArray<float> dc(128);
  CHECK_OK(dev::launch(mma_kernel<A, B>, dim3(1), dim3(32), 512 * sizeof(uint16_t), nullptr, static_cast<const uint16_t*>(da.data()), static_cast<const uint16_t*>(db.data()), dc.data()));
  const std::vector<float> c = dc.read();
  for (int m = 0; m < 16; ++m) {
    for (int n = 0; n < 8; ++n) {
      int want = 1 + m / 8 * 2 + n % 2;
      for (int k = 0; k < 16; ++k) want += av[m * 16 + k] * bv[n * 16 + k];
      CHECK(c[m * 8 + n] == static_cast<float>(want), "%s at %d, %d: %g, not %d", name, m, n, static_cast<double>(c[m * 8 + n]), want);
    }
  }
}

// ---- cp.async: two groups under way; of each copy the first bytes are read and the rest is zero.

template <int Bytes>
__global__ void copy_kernel(const unsigned char* from, unsigned char* to) {
  DYN_SHARED(unsigned char, box);
  const int lane = threadIdx.x;
  for (int group = 0; group < 2; ++group) {
    dev::cp_async<Bytes>(box + (group * 32 + lane) * 16, from + (group * 32 + lane) * 16, lane % 3 == 0 ? Bytes : lane % (Bytes / 4 + 1) * 4);
    dev::cp_async_commit();
  }
  dev::cp_async_wait<1>();
  __syncwarp();
  for (int i = 0; i < Bytes; ++i) to[(31 - lane) * 16 + i] = box[(31 - lane) * 16 + i];
  dev::cp_async_wait<0>();
  __syncwarp();
  for (int i = 0; i < Bytes; ++i) to[(63 - lane) * 16 + i] = box[(63 - lane) * 16 + i];
}

template <int Bytes>
void test_copy() {
  std::vector<unsigned char> in(1024);
  for (int i = 0; i < 1024; ++i) in[i] = static_cast<unsigned char>(1 + i % 251);
  const DeviceArray<unsigned char> from(in), to(std::vector<unsigned char>(1024, 0));
  CHECK_OK(dev::launch(copy_kernel<Bytes>, dim3(1), dim3(32), 1024, nullptr, static_cast<const unsigned char*>(from.data()), to.data()));
  const std::vector<unsigned char> v = to.read();
  for (int at = 0; at < 1024; ++at) {
    const int lane = at / 16 % 32, byte = at % 16, taken = lane % 3 == 0 ? Bytes : lane % (Bytes / 4 + 1) * 4;
    CHECK(v[at] == (byte < taken ? in[at] : 0), "%d bytes, lane %d, byte %d", Bytes, lane, byte);
  }
}

// ---- pairs: what a kernel packs into a register is low element first.

__global__ void pack_kernel(__nv_bfloat162* out) { *out = __floats2bfloat162_rn(1.0f, 2.0f); }

void test_pack() {
  const DeviceArray<__nv_bfloat162> out(1);
  CHECK_OK(dev::launch(pack_kernel, dim3(1), dim3(1), 0, nullptr, out.data()));
  const std::vector<__nv_bfloat162> v = out.read();
  uint32_t word;
  std::memcpy(&word, v.data(), sizeof word);
  CHECK(word == pair(0x3f80, 0x4000));
}

}  // namespace

int main() {
  test_ldmatrix<2, false>();
  test_ldmatrix<2, true>();
  test_ldmatrix<4, false>();
  test_ldmatrix<4, true>();
  test_mma<From::Ldmatrix, From::Ldmatrix>("a, b through ldmatrix");
  test_mma<From::Ldmatrix, From::Transposed>("b through ldmatrix.trans");
  test_mma<From::Formula, From::Transposed>("a by formula, b through ldmatrix.trans");
  test_mma<From::Ldmatrix, From::Formula>("b by formula");
  test_copy<4>();
  test_copy<8>();
  test_copy<16>();
  test_pack();
  return report("fragments_test");
}
