#ifndef HT_ISA_PASS
// GEMM at the shapes of T5 (y = x W^T), against what this machine reaches in the same run: the FMA peak, or that of the
// int8 tile, for many rows, the read bandwidth for one. int8 includes the quantisation of x. Weights are cold: copies of them, more than the caches hold, are used in turn.
//
//   gemm_bench [threads [shapes]] [--json FILE]     default: 1, all; HYPERTUNE_ISA chooses the instruction set
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <utility>
#include <vector>

#include "cpu/gemm.h"
#include "cpu/gemm_int8.h"
#include "cpu/gemm_int8_kernels.h"
#include "cpu/threads.h"
#include "cpu/vec.h"
#include "../bench/native/results.h"
#define HT_KERNELS "../bench/native/gemm_bench.cc"
#include "cpu/each_isa.h"

using namespace ht;
using namespace ht::cpu;

namespace {

double seconds_of(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Seconds per call: the best of several batches, since other processes only ever add time. With one thread its CPU
// time, so that a machine in use can be measured too; with more the wall clock.
double measure(const std::function<void()>& call) {
  const clockid_t clock = thread_count() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
  call();
  double best = 1e9;
  int batch = 1;
  for (const double end = seconds_of(clock) + 0.15; seconds_of(clock) < end;) {
    const double start = seconds_of(clock);
    for (int i = 0; i < batch; ++i) call();
    const double took = (seconds_of(clock) - start) / batch;
    best = std::min(best, took);
    batch = std::max(1, static_cast<int>(0.005 / took));
  }
  return best;
}

double fma_peak(int threads) {
  auto* kernel = HT_DISPATCH(fma_chains);
  constexpr int64_t kSteps = 200000;
  double flops = 0;
  const double seconds = measure([&] { parallel(threads, [&](int64_t t, int) { if (t == 0) flops = kernel(kSteps); else kernel(kSteps); }); });
  return flops * threads / seconds;
}

// Operations per second of the int8 tile alone, all rows of it, on panels that stay in the L1: what a product could reach if its
// operands cost nothing. On AVX2 that is vpmaddwd and vpaddd for 16 products, on VNNI vpdpbusd for 64.
double int8_peak(int threads) {
  const Int8Kernels& kernels = int8_kernels(active_isa());
  constexpr int64_t kQuads = 96;
  const std::vector<int8_t> x(static_cast<size_t>(kQuads * 4 * kernels.mr) * kernels.x_bytes, 3), w(static_cast<size_t>(kQuads * 4 * kernels.nr), 5);
  const std::vector<float> scale(64, 1.0f);
  const std::vector<int32_t> sum(64, 0);
  std::vector<std::vector<float>> y(static_cast<size_t>(threads), std::vector<float>(static_cast<size_t>(kernels.mr * kernels.nr)));
  const auto tiles = [&](int64_t thread, int) {
    Int8TileArgs t{kQuads, x.data(), w.data(), sum.data(), scale.data(), scale.data(), y[static_cast<size_t>(thread)].data(), DType::F32, kernels.nr, kernels.mr, kernels.nr};
    for (int i = 0; i < 1000; ++i) kernels.tile(t);
  };
  return 2e3 * static_cast<double>(threads * kQuads * 4 * kernels.mr * kernels.nr) / measure([&] { parallel(threads, tiles); });
}

double read_bandwidth(int threads) {
  auto* kernel = HT_DISPATCH(read_all);
  std::vector<float> data(48 << 20, 1.0f);
  const int64_t chunk = 1 << 18, chunks = static_cast<int64_t>(data.size()) / chunk;
  const double seconds = measure([&] { parallel(threads == 1 ? 1 : chunks, [&](int64_t t, int) {
    if (threads == 1) kernel(data.data(), static_cast<int64_t>(data.size()));
    else kernel(data.data() + t * chunk, chunk);
  }); });
  return static_cast<double>(data.size()) * 4 / seconds;
}

struct Shape {
  const char* name;
  int64_t n, k;
};

void bench(Results& results, const Shape& shape, DType dtype, bool packed, int threads) {
  // Measured anew for every shape: what else the machine does changes.
  const double peak = dtype == DType::I8 ? int8_peak(threads) : fma_peak(threads), bandwidth = read_bandwidth(threads);
  const int64_t bytes = shape.n * shape.k * static_cast<int64_t>(dtype_size(dtype));
  const int64_t copies = (160 << 20) / bytes + 1;
  std::vector<std::vector<uint8_t>> weights;
  std::vector<PackedB> panels;
  for (int64_t i = 0; i < copies; ++i) {
    std::vector<uint8_t> w(static_cast<size_t>(bytes));
    for (int64_t j = 0; j < shape.n * shape.k; ++j) {
      const float x = static_cast<float>((j * 37 + i) % 101) * 0.01f - 0.5f;
      const bf16_t h = float_to_bf16(x);
      if (dtype == DType::F32) std::memcpy(&w[static_cast<size_t>(j) * 4], &x, 4);
      else if (dtype == DType::I8) w[static_cast<size_t>(j)] = static_cast<uint8_t>(static_cast<int>(x * 200));
      else std::memcpy(&w[static_cast<size_t>(j) * 2], &h, 2);
    }
    const Matrix b = Matrix::of(w.data(), dtype, shape.n, shape.k).t();
    if (packed) panels.push_back(pack_b(b));
    weights.push_back(std::move(w));
  }
  std::printf("%-12s %5d %5d %5s %-8s", shape.name, static_cast<int>(shape.n), static_cast<int>(shape.k), dtype_name(dtype), packed ? "panels" : "rows");
  for (const int64_t m : {1, 8, 64, 512}) {
    std::vector<float> x(static_cast<size_t>(m * shape.k), 0.25f), y(static_cast<size_t>(m * shape.n));
    const std::vector<float> scale(static_cast<size_t>(shape.n), 0.01f);
    size_t turn = 0;
    const double seconds = measure([&] {
      if (dtype == DType::I8) {
        const PackedB* const panel = packed ? &panels[turn % panels.size()] : nullptr;
        const Matrix w = Matrix::of(weights[turn++ % weights.size()].data(), dtype, shape.n, shape.k);
        const Int8Rows quantized(Matrix::of(x.data(), DType::F32, m, shape.k));
        return gemm_int8(quantized, w, scale.data(), MatrixOut::of(y.data(), DType::F32, m, shape.n), {panel, {}});
      }
      GemmOptions options;
      if (packed) options.packed_b = &panels[turn % panels.size()];
      const void* w = weights[turn % weights.size()].data();
      ++turn;
      gemm(Matrix::of(x.data(), DType::F32, m, shape.k), Matrix::of(w, dtype, shape.n, shape.k).t(),
           MatrixOut::of(y.data(), DType::F32, m, shape.n), options);
    });
    const double flops = 2.0 * static_cast<double>(m * shape.n * shape.k) / seconds;
    if (packed) results.add("gemm", shape.name, dtype == DType::I8 ? "int8" : dtype_name(dtype), m, flops * 1e-9, "GFLOP/s", m == 1 ? static_cast<double>(bytes) / seconds / bandwidth : flops / peak);
    if (m == 1) std::printf(" | %6.1f %5.1f GB/s %3.0f%%", flops * 1e-9, static_cast<double>(bytes) / seconds * 1e-9, 100 * static_cast<double>(bytes) / seconds / bandwidth);
    else std::printf(" | %6.1f %3.0f%%", flops * 1e-9, 100 * flops / peak);
  }
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  Results results(argc, argv);
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  set_thread_count(threads);
  const double peak = fma_peak(threads), integer_peak = int8_peak(threads), bandwidth = read_bandwidth(threads);
  std::printf("%s, %d thread(s): FMA peak %.1f GFLOP/s fp32, int8 tile %.1f GOP/s, read bandwidth %.1f GB/s\n", isa_name(active_isa()), thread_count(), peak * 1e-9, integer_peak * 1e-9, bandwidth * 1e-9);
  results.add("ceiling", "FMA", "f32", threads, peak * 1e-9, "GFLOP/s");
  results.add("ceiling", "int8 tile", "int8", threads, integer_peak * 1e-9, "GOP/s");
  results.add("ceiling", "read", "f32", threads, bandwidth * 1e-9, "GB/s");
  std::printf("GFLOP/s and share of the bandwidth (M=1) or of the peak    | M=1                      | M=8         | M=64        | M=512\n");
  const Shape shapes[] = {{"small qkv", 384, 512}, {"small wi", 1024, 512}, {"base qkv", 768, 768}, {"base wi", 2048, 768},
                          {"base wo", 768, 2048}, {"large qkv", 1024, 1024}, {"large wi", 2816, 1024}, {"large wo", 1024, 2816}};
  const size_t count = argc > 2 ? std::min<size_t>(8, static_cast<size_t>(std::atoi(argv[2]))) : 8;
  for (const bool packed : {true, false}) {
    for (const DType dtype : {DType::I8, DType::F32, DType::BF16}) {
      for (size_t i = 0; i < count; ++i) bench(results, shapes[i], dtype, packed, threads);
    }
  }
  return results.write() ? 0 : 1;
}
#else
// Independent chains, enough of them to hide the latency of an FMA on two units.
double fma_chains(int64_t steps) {
  constexpr int kChains = 12;
  Vec sums[kChains];
  unroll<kChains>([&](auto c) HT_FLAT { sums[c] = Vec::zero(); });
  const Vec x = Vec::set1(0.999f), y = Vec::set1(1e-3f);
  for (int64_t i = 0; i < steps; ++i) {
    unroll<kChains>([&](auto c) HT_FLAT { add_product(sums[c], x, y); });
  }
  Vec total = Vec::zero();
  unroll<kChains>([&](auto c) HT_FLAT { total = total + sums[c]; });
  volatile float keep = sum(total);
  (void)keep;
  return 2.0 * kChains * Vec::lanes * static_cast<double>(steps);
}

void read_all(const float* data, int64_t n) {
  Vec sums[4] = {Vec::zero(), Vec::zero(), Vec::zero(), Vec::zero()};
  for (int64_t i = 0; i < n; i += 4 * Vec::lanes) {
    __builtin_prefetch(data + i + 1024);
    __builtin_prefetch(data + i + 1040);
    unroll<4>([&](auto j) HT_FLAT { sums[j] = sums[j] + Vec::load(data + i + j * Vec::lanes); });
  }
  volatile float keep = sum(sums[0] + sums[1] + sums[2] + sums[3]);
  (void)keep;
}
#endif
