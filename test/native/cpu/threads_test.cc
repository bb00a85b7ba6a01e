// The compute pool: every tile once, concurrent and nested callers, changing thread counts; and the CPU limit.
#include "cpu/threads.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "cpu/cpu_limit.h"

using namespace ht::cpu;

namespace {

void test_every_tile_once() {
  for (int threads : {1, 2, 3, 8}) {
    set_thread_count(threads);
    CHECK(thread_count() == threads);
    for (int64_t tiles : {0, 1, 2, 3, 7, 64, 1000}) {
      std::vector<std::atomic<int>> visits(static_cast<size_t>(tiles));
      std::atomic<int> bad_worker{0};
      parallel(tiles, [&](int64_t tile, int worker) {
        ++visits[static_cast<size_t>(tile)];
        if (worker < 0 || worker >= threads) ++bad_worker;
      });
      for (auto& v : visits) CHECK(v == 1, "threads=%d tiles=%d", threads, static_cast<int>(tiles));
      CHECK(bad_worker == 0);
    }
  }
}

// Long enough for the other threads to join in.
int64_t some_work() {
  volatile int64_t x = 0;
  for (int i = 0; i < 5000; ++i) x = x + i;
  return x;
}

// What parallel() returns from must be visible without atomics, and a worker number belongs to one thread at a time.
void test_memory_and_worker_numbers() {
  set_thread_count(4);
  std::vector<int64_t> plain(257);
  std::vector<int64_t> per_worker(4);
  std::atomic<bool> in_use[4] = {};
  for (int64_t round = 0; round < 200; ++round) {
    parallel(257, [&](int64_t tile, int worker) {
      CHECK(!in_use[worker].exchange(true), "worker %d is in use twice", worker);
      plain[static_cast<size_t>(tile)] += tile + round;
      ++per_worker[static_cast<size_t>(worker)];
      if (tile % 64 == 0) some_work();
      in_use[worker] = false;
    });
  }
  int64_t calls = 0;
  for (int64_t n : per_worker) calls += n;
  CHECK(calls == 200 * 257, "%d", static_cast<int>(calls));
  for (int64_t i = 0; i < 257; ++i) CHECK(plain[static_cast<size_t>(i)] == 200 * i + 199 * 100);
}

void test_nested() {
  set_thread_count(4);
  std::vector<int> sums(2);  // fewer tiles than threads: idle ones would take tiles of an inner call if they could
  for (int round = 0; round < 50; ++round) {
    parallel(2, [&](int64_t outer, int) {
      const auto self = std::this_thread::get_id();
      parallel(20, [&](int64_t inner, int worker) {
        CHECK(std::this_thread::get_id() == self && worker == 0, "an inner tile left its thread");
        sums[static_cast<size_t>(outer)] += static_cast<int>(inner);
        some_work();
      });
    });
  }
  for (int s : sums) CHECK(s == 50 * 190);
}

void test_concurrent_callers() {
  set_thread_count(3);
  constexpr int kCallers = 5, kRounds = 300;
  std::vector<std::thread> callers;
  std::vector<int64_t> totals(kCallers);
  for (int c = 0; c < kCallers; ++c) {
    callers.emplace_back([&, c] {
      for (int round = 0; round < kRounds; ++round) {
        std::vector<int64_t> parts(static_cast<size_t>(1 + (round * 7 + c) % 33));
        parallel(static_cast<int64_t>(parts.size()), [&](int64_t t, int) {
          auto* scratch = static_cast<int64_t*>(thread_scratch(64 + static_cast<size_t>(t) * 8));
          scratch[0] = t;
          parts[static_cast<size_t>(t)] = scratch[0] + 1;
        });
        for (int64_t p : parts) totals[static_cast<size_t>(c)] += p;
        if (c == 0) set_thread_count(1 + round % 4);
      }
    });
  }
  for (auto& t : callers) t.join();
  for (int c = 0; c < kCallers; ++c) {
    int64_t expected = 0;
    for (int round = 0; round < kRounds; ++round) {
      const int64_t n = 1 + (round * 7 + c) % 33;
      expected += n * (n + 1) / 2;
    }
    CHECK(totals[static_cast<size_t>(c)] == expected);
  }
}

void test_clamp_and_scratch() {
  set_thread_count(0);
  CHECK(thread_count() == 1);
  set_thread_count(1 << 20);
  CHECK(thread_count() == kMaxThreads);
  set_thread_count(2);
  for (size_t bytes : {1, 100, 5000, 10}) {
    void* p = thread_scratch(bytes);
    CHECK(reinterpret_cast<uintptr_t>(p) % 64 == 0);
    std::memset(p, 1, bytes);
  }
}

void write(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

void test_cgroup_quota() {
  char name[] = "/tmp/hypertune-cgroup-XXXXXX";
  if (!mkdtemp(name)) {
    CHECK(false, "no temporary folder");
    return;
  }
  const std::filesystem::path root = name;
  const std::string self = root / "self";
  const auto quota = [&] { return cgroup_cpu_quota(self, root.string()); };
  CHECK(quota() == 0);
  write(self, "0::/a/b\n");
  CHECK(quota() == 0);
  write(root / "a/b/cpu.max", "max 100000\n");
  CHECK(quota() == 0);
  write(root / "a/cpu.max", "350000 100000\n");
  CHECK(quota() == 3);
  write(root / "a/b/cpu.max", "50000 100000\n");
  CHECK(quota() == 1);
  write(self, "5:memory:/x\n4:cpu,cpuacct:/job\n");
  CHECK(quota() == 0);
  write(root / "cpu/job/cpu.cfs_quota_us", "-1\n");
  write(root / "cpu/job/cpu.cfs_period_us", "100000\n");
  CHECK(quota() == 0);
  write(root / "cpu/job/cpu.cfs_quota_us", "200000\n");
  CHECK(quota() == 2);
  std::filesystem::remove_all(root);
  CHECK(cpu_limit() >= 1);
}

}  // namespace

int main() {
  CHECK(thread_count() >= 1 && thread_count() <= cpu_limit());
  test_every_tile_once();
  test_memory_and_worker_numbers();
  test_nested();
  test_concurrent_callers();
  test_clamp_and_scratch();
  test_cgroup_quota();
  return report("threads");  // returns with the pool's threads alive: leaving must not hang or crash
}
