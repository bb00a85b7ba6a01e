// Runs every sample kernel with every fault that can be planted in it, and prints for each
//
//   == NAME
//   NAME wrong=2 errors=0 of 8
//
// (under how many schedules the values were wrong, or an error was reported) around what sanitizers say about it.
#include <cstdio>
#include <cstring>

#include "emulated.h"
#include "planted_kernels.h"
#include "sanitizers.h"

namespace {

enum class Outcome { Right, Wrong, Error };

template <class T>
Outcome outcome_of(const DeviceArray<T>& got, const std::vector<T>& want) {
  std::vector<T> values(want.size());
  if (cudaDeviceSynchronize() != cudaSuccess) return Outcome::Error;
  if (cudaMemcpy(values.data(), got.data(), got.bytes(), cudaMemcpyDeviceToHost) != cudaSuccess) return Outcome::Error;
  return values == want ? Outcome::Right : Outcome::Wrong;
}

// Small integers, so that every sum is exact.
std::vector<float> numbers(int count, int seed) {
  std::vector<float> v(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) v[static_cast<size_t>(i)] = static_cast<float>((i * 7 + seed) % 11 - 5);
  return v;
}

template <Plant plant>
Outcome row_scale() {
  const int rows = 3;
  const std::vector<float> x = numbers(rows * kWidth, 1);
  std::vector<float> want(x.size());
  for (int r = 0; r < rows; ++r) {
    float scale = 1;
    for (int j = 0; j < kWidth; ++j) scale += x[r * kWidth + j];
    for (int j = 0; j < kWidth; ++j) want[r * kWidth + j] = x[r * kWidth + j] * scale;
  }
  const DeviceArray<float> in(x), out(want.size());
  dev::launch(row_scale_kernel<plant>, dim3(rows), dim3(kThreads), 0, nullptr, in.data(), out.data());
  return outcome_of(out, want);
}

template <Plant plant>
Outcome tile_product() {
  const std::vector<float> a = numbers(kSide * kSide, 2), b = numbers(kSide * kSide, 5);
  std::vector<float> want(a.size(), 0.0f);
  for (int i = 0; i < kSide; ++i)
    for (int j = 0; j < kSide; ++j)
      for (int k = 0; k < kSide; ++k) want[i * kSide + j] += a[i * kSide + k] * b[k * kSide + j];
  const DeviceArray<float> da(a), db(b), dc(want.size());
  dev::launch(tile_product_kernel<plant>, dim3(kSide / kTile, kSide / kTile), dim3(kTile, kTile), 0, nullptr, da.data(), db.data(), dc.data());
  return outcome_of(dc, want);
}

template <Plant plant>
Outcome best_key() {
  const int queries = 4;
  const std::vector<float> q = numbers(queries * kDepth, 3), keys = numbers(kKeys * kDepth, 4);
  std::vector<float> want(queries, -INFINITY);
  for (int i = 0; i < queries; ++i)
    for (int k = 0; k < kKeys; ++k) {
      float dot = 0;
      for (int d = 0; d < kDepth; ++d) dot += q[i * kDepth + d] * keys[k * kDepth + d];
      want[i] = fmaxf(want[i], dot);
    }
  const DeviceArray<float> dq(q), dk(keys), best(want.size());
  dev::launch(best_key_kernel<plant>, dim3(queries / 2), dim3(kThreads), 32 * kStride * sizeof(float), nullptr, dq.data(), dk.data(), best.data());
  return outcome_of(best, want);
}

template <Plant plant>
Outcome pipeline() {
  const int tile = kThreads * kPerThread;
  const std::vector<float> in = numbers(kSteps * tile, 6);
  std::vector<float> want(kThreads, 0.0f);
  for (int t = 0; t < kThreads; ++t)
    for (int step = 0; step < kSteps; ++step)
      for (int i = 0; i < kPerThread; ++i) want[t] += in[step * tile + (kThreads - 1 - t) * kPerThread + i];
  const DeviceArray<float> from(in), sums(want.size());
  dev::launch(pipeline_kernel<plant>, dim3(1), dim3(kThreads), (2 * tile + 4) * sizeof(float), nullptr, from.data(), sums.data());
  return outcome_of(sums, want);
}

template <Plant plant>
Outcome histogram() {
  std::vector<int> values(kValues), want(kBins, 0);
  for (int i = 0; i < kValues; ++i) ++want[values[i] = i * i % kBins];
  const DeviceArray<int> in(values), counts(std::vector<int>(kBins, 0));
  dev::launch(histogram_kernel<plant>, dim3(kBlocks), dim3(kThreads), kBins * sizeof(int), nullptr, in.data(), counts.data());
  return outcome_of(counts, want);
}

template <Plant plant>
Outcome warp_reverse() {
  const std::vector<float> x = numbers(kThreads, 7);
  std::vector<float> want(kThreads);
  for (int t = 0; t < kThreads; ++t) want[t] = x[t ^ 31];
  const DeviceArray<float> in(x), out(want.size());
  dev::launch(warp_reverse_kernel<plant>, dim3(1), dim3(kThreads), 0, nullptr, in.data(), out.data());
  return outcome_of(out, want);
}

void run(const char* name, Outcome (*sample)()) {
  std::printf("== %s\n", name);
  int wrong = 0, errors = 0, schedules = 0;
  under_every_schedule([&](const char* schedule) {
    // Sanitizers look at every access whatever the order; ThreadSanitizer also wants blocks that nothing orders.
    if (emulator::kAddressSanitizer && schedules > 0) return;
    if (emulator::kThreadSanitizer && schedules > 0 && !std::strstr(schedule, "unordered")) return;
    ++schedules;
    const Outcome outcome = sample();
    wrong += outcome == Outcome::Wrong;
    errors += outcome == Outcome::Error;
  });
  std::printf("%s wrong=%d errors=%d of %d\n", name, wrong, errors, schedules);
}

}  // namespace

#define RUN(sample, plant) run(#plant, sample<Plant::plant>)
#define RUN_WITHOUT(sample) run("None:" #sample, sample<Plant::None>)

int main() {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  RUN_WITHOUT(row_scale);
  RUN_WITHOUT(tile_product);
  RUN_WITHOUT(best_key);
  RUN_WITHOUT(pipeline);
  RUN_WITHOUT(histogram);
  RUN_WITHOUT(warp_reverse);
  RUN(row_scale, NoBarrierBeforeSums);
  RUN(row_scale, NoBarrierBeforeScale);
  RUN(tile_product, NoBarrierAfterLoad);
  RUN(tile_product, NoBarrierBeforeReload);
  RUN(best_key, NoBarrierBeforeKeys);
  RUN(best_key, NoBarrierAfterKeys);
  RUN(pipeline, NoBarrierAfterWait);
  RUN(pipeline, NoBarrierBeforeRefill);
  RUN(pipeline, WaitOneShort);
  RUN(histogram, NoBarrierBeforeCounts);
  RUN(row_scale, BarrierInBranch);
  RUN(row_scale, BarrierAfterReturn);
  RUN(row_scale, ShuffleByTwentyLanes);
  RUN(row_scale, ShuffleOutsideMask);
  RUN(row_scale, StaticOverrun);
  RUN(best_key, DynamicOverrun);
  RUN(best_key, MisalignedVector);
  RUN(best_key, GlobalOverrun);
  RUN(pipeline, MisalignedCopy);
  RUN(histogram, UninitialisedShared);
  RUN(histogram, BlocksAddWithoutAtomic);
  RUN(histogram, FirstBlockAssumed);
  RUN(warp_reverse, NoSyncwarp);
}
