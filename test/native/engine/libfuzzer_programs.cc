// libFuzzer's entry to the same target as fuzz_programs.cc: it keeps the command buffers that reach new code and goes on from them.
// An input is a program of the corpus, what to run it with, and the words. `npm run fuzz -- programs` builds and runs it.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/error.h"
#include "corpus.h"
#include "cpu/threads.h"
#include "engine/host_backend.h"
#include "fuzz_device.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace ht::fuzz {
namespace {

constexpr size_t kHead = 4;  // program, room and device, two bytes that feeds are drawn from

struct Target {
  std::vector<Draft> programs = corpus();
  std::vector<Words> words;
  std::unique_ptr<Device> devices[2];

  Target() {
    cpu::set_thread_count(1);
    for (const Draft& d : programs) words.push_back(d.words());
    devices[0] = std::make_unique<Device>(cpu_backend(), programs);
    devices[1] = std::make_unique<Device>(reference_backend(), programs);
  }
};

Target& target() {
  static Target* const t = new Target;
  return *t;
}

Words words_of(const uint8_t* data, size_t size) {
  Words words(size > kHead ? (size - kHead) / 4 : 0);
  if (!words.empty()) std::memcpy(words.data(), data + kHead, words.size() * 4);
  return words;
}

void run(const uint8_t* data, const Words& words) {
  Target& t = target();
  const size_t set = 2 * (data[0] % t.programs.size()) + (data[1] & 1);
  Device& device = *t.devices[data[1] >> 1 & 1];
  Random random(static_cast<uint64_t>(data[2]) << 8 | data[3]);
  const auto program = device.compile(words, set);
  RunRequest request;
  request.symbols = draw_symbols(program->program, random);
  request.feeds = draw_feeds(program->program, request.symbols, random);
  request.repeat = static_cast<int32_t>(1 + random.below(3));
  if (random.chance(0.3)) spoil(request.symbols, request.feeds, random);
  const bool rewrite = data[1] & 4 && within_capacity(program->program, request.symbols);
  const RunResult result = device.run(*program, set, request, rewrite ? 0.5 : 0, random);
  if (!sizes_agree(program->program, request, result)) std::abort();
}

}  // namespace
}  // namespace ht::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ht;
  if (size < fuzz::kHead) return -1;
  try {
    fuzz::run(data, fuzz::words_of(data, size));
  } catch (const Error& e) {
    static const char* const kCodes[] = {"GRAPH_INVALID", "MEMORY_LIMIT", "FEED_INVALID", "FEED_RANGE"};
    if (std::none_of(std::begin(kCodes), std::end(kCodes), [&](const char* code) { return std::string(e.code) == code; })) {
      std::fprintf(stderr, "%s %s: %s\n", e.code, e.field.c_str(), e.what());
      std::abort();
    }
  }
  return 0;
}

// Mostly changes that know what the words mean; an input without words becomes a program of the corpus.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  using namespace ht::fuzz;
  Random random(seed);
  if (size >= kHead && random.chance(0.2)) return LLVMFuzzerMutate(data, size, max_size);
  Target& t = target();
  const auto from = static_cast<size_t>(random.below(static_cast<int64_t>(t.programs.size())));
  Words words = size > kHead + 4 * static_cast<size_t>(ht::kHeaderWords) && random.chance(0.8) ? words_of(data, size) : Words();
  if (words.empty()) {
    words = t.words[from];
    data[0] = static_cast<uint8_t>(from);
  }
  data[1] = static_cast<uint8_t>(random.below(8));
  data[2] = static_cast<uint8_t>(random.below(256));
  data[3] = static_cast<uint8_t>(random.below(256));
  words = mutate(words, t.words[from], random);
  const size_t bytes = std::min(words.size() * 4, max_size - kHead);
  std::memcpy(data + kHead, words.data(), bytes);
  return kHead + bytes;
}
