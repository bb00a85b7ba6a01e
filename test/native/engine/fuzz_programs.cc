// Seeded fuzzing of command buffers and feeds through the real Engine: whatever the words say, they are refused with an
// Error or they run; no crash, no hang, no access out of bounds (build with -DHT_SANITIZE=address,undefined to see those).
//   fuzz_programs [--count N] [--seed N] [--only MUTANT]
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <set>

#include "core/error.h"
#include "corpus.h"
#include "cpu/threads.h"
#include "engine/host_backend.h"
#include "fuzz_device.h"
#include "inputs.h"
#include "isolating_backend.h"
#include "mutate.h"
#include "validator_cases.h"

namespace ht::fuzz {
namespace {

constexpr unsigned kSecondsPerMutant = 30;
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kIsolate = true;
#else
constexpr bool kIsolate = false;
#endif

int64_t current = -1;

// Says which mutant to replay; the handlers of the sanitizers print their own report first.
void died(int signal) {
  char text[96];
  const int n = std::snprintf(text, sizeof text, "mutant %lld: signal %d%s\n", static_cast<long long>(current), signal, signal == SIGALRM ? " (takes too long)" : "");
  if (write(STDERR_FILENO, text, static_cast<size_t>(n)) < 0) _exit(2);
  _exit(1);
}

struct Counts {
  int64_t mutants = 0, past_header = 0, valid = 0, ran = 0, failed = 0;
  std::map<std::string, int64_t> codes;
};

const std::set<std::string> kHeaderFields = {"magic", "version", "symbol count", "value count", "node count", "fetch count", "stop value", "keep all", "total words", "reserved"};
const std::set<std::string> kCompileCodes = {"GRAPH_INVALID", "MEMORY_LIMIT"}, kRunCodes = {"FEED_INVALID", "FEED_RANGE", "MEMORY_LIMIT"};

class Fuzzer {
 public:
  explicit Fuzzer(uint64_t seed) : seed_(seed), programs_(corpus()) {
    for (const Draft& d : programs_) words_.push_back(d.words());
    for (bool reference : {false, true})
      devices_.push_back(std::make_unique<Device>(kIsolate ? isolating_backend(reference) : reference ? reference_backend() : cpu_backend(), programs_));
  }

  // The corpus as it is: every program runs on every device, at three sizes, and every op is in it.
  void run_corpus() {
    std::set<int32_t> ops;
    for (size_t i = 0; i < programs_.size(); ++i)
      for (auto& device : devices_) {
        Random random(seed_ + i);
        try {
          const auto program = device->compile(words_[i], 2 * i);
          for (const Node& node : program->program.nodes) ops.insert(node.op);
          for (int round = 0; round < 3; ++round) {
            RunRequest request;
            do request.symbols = draw_symbols(program->program, random);  // none 0: rows need something to point at
            while (std::count(request.symbols.begin(), request.symbols.end(), 0));
            if (round == 2) request.symbols.assign(request.symbols.size(), 0);
            request.feeds = draw_feeds(program->program, request.symbols, random);
            if (round == 2) request.repeat = 2;
            const RunResult result = device->run(*program, 2 * i, request, 1, random);
            if (!sizes_agree(program->program, request, result)) fail(programs_[i].name + ": a fetch has the wrong size");
          }
        } catch (const Error& e) {
          if (std::string(e.code) != "FEED_RANGE" || programs_[i].name.rfind("device", 0) != 0) fail(programs_[i].name + ": " + e.code + " " + e.field + " " + e.what());
        }
      }
    if (static_cast<int>(ops.size()) != kOpCount) fail(format("the corpus holds %zu of %d ops", ops.size(), kOpCount));
  }

  void mutant(int64_t number) {
    current = number;
    alarm(kSecondsPerMutant);
    ++counts.mutants;
    Random random((seed_ << 32) + static_cast<uint64_t>(number));
    const auto from = static_cast<size_t>(random.below(static_cast<int64_t>(programs_.size()))), other = static_cast<size_t>(random.below(static_cast<int64_t>(programs_.size())));
    const Words words = random.chance(0.1) ? words_[from] : mutate(words_[from], words_[other], random);
    Device& device = *devices_[random.chance(0.25)];
    const size_t set = 2 * from + static_cast<size_t>(random.chance(0.4));
    try {
      const auto program = compile(device, words, set);
      if (program) run(device, *program, set, random);
    } catch (const std::exception& e) {
      fail(format("mutant %lld threw no Error: %s", static_cast<long long>(number), e.what()));
    }
    alarm(0);
  }

  Counts counts;

 private:
  void fail(const std::string& message) {
    if (++counts.failed <= 20) std::printf("%s\n", message.c_str());
  }

  void expect_code(const Error& e, const std::set<std::string>& allowed) {
    ++counts.codes[e.code];
    if (!allowed.count(e.code)) fail(format("mutant %lld: %s %s: %s", static_cast<long long>(current), e.code, e.field.c_str(), e.what()));
  }

  std::shared_ptr<CompiledProgram> compile(Device& device, const Words& words, size_t set) {
    try {
      auto program = device.compile(words, set);
      ++counts.past_header;
      ++counts.valid;
      return program;
    } catch (const Error& e) {
      counts.past_header += !kHeaderFields.count(e.field);
      expect_code(e, kCompileCodes);
      return nullptr;
    }
  }

  // Twice: with other symbols, so other addresses and sizes, and with inputs that are right in the first run only.
  void run(Device& device, CompiledProgram& program, size_t set, Random& random) {
    bool ran = false;
    for (int round = 0; round < 2; ++round) {
      RunRequest request;
      request.symbols = draw_symbols(program.program, random);
      request.feeds = draw_feeds(program.program, request.symbols, random);
      request.repeat = static_cast<int32_t>(1 + random.below(3));
      if (round == 1) spoil(request.symbols, request.feeds, random);
      try {
        const RunResult result = device.run(program, set, request, within_capacity(program.program, request.symbols) ? 0.7 : 0, random);
        ran = true;
        if (!sizes_agree(program.program, request, result)) fail(format("mutant %lld: a fetch has the wrong size", static_cast<long long>(current)));
      } catch (const Error& e) {
        expect_code(e, kRunCodes);
      }
    }
    counts.ran += ran;
  }

  uint64_t seed_;
  std::vector<Draft> programs_;
  std::vector<Words> words_;
  std::vector<std::unique_ptr<Device>> devices_;
};

double share(int64_t part, int64_t whole) { return whole ? 100.0 * static_cast<double>(part) / static_cast<double>(whole) : 0; }

}  // namespace
}  // namespace ht::fuzz

int main(int argc, char** argv) {
  using namespace ht::fuzz;
  int64_t count = 100000, seed = 1, only = -1;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i];
    int64_t* const target = option == "--count" ? &count : option == "--seed" ? &seed : option == "--only" ? &only : nullptr;
    if (!target) {
      std::fprintf(stderr, "unknown option %s\n", argv[i]);
      return 2;
    }
    *target = std::atoll(argv[i + 1]);
  }
  for (int signal : {SIGALRM, SIGFPE, SIGILL}) std::signal(signal, died);
  if (!kIsolate)
    for (int signal : {SIGSEGV, SIGBUS, SIGABRT}) std::signal(signal, died);
#if !defined(__SANITIZE_THREAD__)
  if (!kIsolate) {  // an absurd allocation fails instead of paging; sanitizers reserve more themselves
    const rlimit limit{4ull << 30, 4ull << 30};
    setrlimit(RLIMIT_AS, &limit);
  }
#endif
  ht::cpu::set_thread_count(1);

  int cases = 0;
  const int cases_failed = run_validator_cases(cases);
  Fuzzer fuzzer(static_cast<uint64_t>(seed));
  fuzzer.run_corpus();
  if (only >= 0) fuzzer.mutant(only);
  for (int64_t i = 0; only < 0 && i < count; ++i) fuzzer.mutant(i);

  const Counts& c = fuzzer.counts;
  const double header = share(c.past_header, c.mutants), ran = share(c.ran, c.mutants);
  std::printf("validator cases: %d passed, %d failed\n", cases, cases_failed);
  std::printf("%lld mutants: %.1f %% past the header, %.1f %% valid, %.1f %% ran\n", static_cast<long long>(c.mutants), header, share(c.valid, c.mutants), ran);
  for (const auto& [code, times] : c.codes) std::printf("  %s %lld\n", code.c_str(), static_cast<long long>(times));
  int failed = cases_failed + static_cast<int>(c.failed);
  if (only < 0 && (header < 20 || ran < 1)) {
    std::printf("too few mutants come far: at least 20 %% past the header and 1 %% run are asked for\n");
    ++failed;
  }
  std::printf("fuzz_programs: %lld passed, %d failed\n", static_cast<long long>(c.mutants) - c.failed + cases, failed);
  return failed ? 1 : 0;
}
