// Several engines at once in one process, as worker threads have them: shared weights, runs that are cancelled, engines that end in
// the middle of one. Thread sanitizer's test of the engine (`npm run test:sanitized -- thread`).
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "cpu/check.h"
#include "cpu/threads.h"
#include "draft.h"
#include "engine/engine.h"
#include "engine/host_backend.h"
#include "mutate.h"

using namespace ht;
using namespace ht::fuzz;

namespace {

constexpr int32_t kWidth = 96, kLayers = 6;
constexpr int kThreads = 6, kRounds = 8;

// y = x through layers of one frozen weight; the total is what a run returns.
Draft layers() {
  Draft d("layers");
  const Shape square = {n(kWidth), n(kWidth)};
  const int32_t w = d.buffer(DType::F32, square, true);
  int32_t x = d.feed(DType::F32, square);
  for (int32_t i = 0; i < kLayers; ++i) {
    const int32_t product = d.out(DType::F32, square), active = d.out(DType::F32, square);
    d.node(Op::lora_linear, {x, kAbsent, kAbsent, kAbsent, kAbsent, w, kAbsent, kAbsent, kAbsent, kAbsent, kAbsent, kAbsent, kAbsent}, {product}, {1, 1, DType::F32});
    d.node(Op::activation, {product}, {active}, {2, DType::F32});
    x = active;
  }
  d.fetch({x});
  return d;
}

HostArray input() {
  HostArray a{DType::F32, std::vector<char>(static_cast<size_t>(kWidth) * kWidth * sizeof(float))};
  for (int32_t i = 0; i < kWidth * kWidth; ++i) {
    const float x = static_cast<float>(i % 17 - 8) / 8;
    std::memcpy(a.bytes.data() + static_cast<size_t>(i) * sizeof x, &x, sizeof x);
  }
  return a;
}

struct Subject {
  Engine engine{cpu_backend(), 0};
  std::shared_ptr<Buffer> weight;
  std::shared_ptr<CompiledProgram> program;

  Subject(const std::string& file, const Words& words) {
    weight = engine.create_buffer(DType::F32, int64_t{kWidth} * kWidth, true);
    job([&] { engine.load(*weight, FileRange{file, 0, int64_t{kWidth} * kWidth * 4, "F32"}, 0); }).get();
    program = engine.compile(words.data(), static_cast<int64_t>(words.size()), {weight});
  }

  ~Subject() { engine.close(); }

  // The code of what was thrown; empty where nothing was.
  std::future<std::string> job(std::function<void()> f) {
    auto done = std::make_shared<std::promise<std::string>>();
    engine.submit([done, f] {
      try {
        f();
        done->set_value("");
      } catch (const Error& e) {
        done->set_value(e.code);
      }
    });
    return done->get_future();
  }

  std::future<std::string> run(int32_t repeat, const CancelFlag& cancel, std::vector<char>* out) {
    return job([this, repeat, cancel, out] {
      RunRequest request;
      request.feeds.push_back(input());
      request.repeat = repeat;
      request.cancel = cancel;
      const RunResult result = engine.run(*program, request);
      if (out) *out = result.fetches[0].bytes;
    });
  }
};

bool aborted(std::future<std::string>& run) {
  try {
    return run.get() == "ABORTED";
  } catch (const std::future_error&) {
    return true;  // dropped before it began
  }
}

void worker(const std::string& file, const Words& words, const std::vector<char>& expected, uint64_t seed) {
  ::Random random;
  random.state += seed;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<char> first, last;
    std::future<std::string> endless, waiting;
    {
      Subject subject(file, words);
      subject.run(1, nullptr, &first).get();
      const auto cancel = std::make_shared<std::atomic<bool>>(false);
      auto cancelled = subject.run(5000, cancel, nullptr);
      std::this_thread::sleep_for(std::chrono::microseconds(random.below(2000)));
      *cancel = true;
      CHECK(aborted(cancelled));
      subject.run(1, nullptr, &last).get();
      endless = subject.run(5000, nullptr, nullptr);
      waiting = subject.run(1, nullptr, nullptr);
      std::this_thread::sleep_for(std::chrono::microseconds(random.below(2000)));
    }
    CHECK(aborted(endless));
    CHECK(aborted(waiting));
    CHECK(first == expected && last == expected, "thread %d, round %d", static_cast<int>(seed), round);
  }
}

}  // namespace

int main() {
  char file[] = "/tmp/hypertune-engines-XXXXXX";
  const int fd = mkstemp(file);
  const HostArray weights = input();
  if (fd < 0 || write(fd, weights.bytes.data(), weights.bytes.size()) != static_cast<ssize_t>(weights.bytes.size())) return 1;
  close(fd);
  ht::cpu::set_thread_count(3);
  const Words words = layers().words();
  std::vector<char> expected;
  {
    Subject subject(file, words);
    const uint64_t one = bytes_held();
    const Subject other(file, words);
    CHECK(bytes_held() == one, "the second copy of the weights takes %d bytes", static_cast<int>(bytes_held() - one));
    subject.run(1, nullptr, &expected).get();
  }
  CHECK(bytes_held() == 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) threads.emplace_back(worker, file, words, std::cref(expected), static_cast<uint64_t>(t));
  for (std::thread& t : threads) t.join();
  CHECK(bytes_held() == 0, "%d bytes are left", static_cast<int>(bytes_held()));
  unlink(file);
  return report("engines");
}
