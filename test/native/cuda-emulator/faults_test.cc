// Every fault that is planted in the sample kernels (planted_kernels.h) is found: by wrong values or an error under one of the
// schedules, by AddressSanitizer or UBSan, or by ThreadSanitizer; and none of them says anything about the kernels without one.
// The table says who must find what, so that none of the three nets gets holes because another catches the same.
//
//   emulator_faults_test: runs planted/planted_faults{,_address,_thread} beside itself, those that were built
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "cpu/check.h"

namespace {

constexpr int kAll = 8;  // schedules

struct Fault {
  const char* name;
  int schedules;  // that must find it; of kAll
  bool address, thread;
};
constexpr Fault kFaults[] = {
    {"NoBarrierBeforeSums", 4, false, true},
    {"NoBarrierBeforeScale", 4, false, true},
    {"NoBarrierAfterLoad", 4, false, true},
    {"NoBarrierBeforeReload", 4, false, true},
    {"NoBarrierBeforeKeys", 4, false, true},
    {"NoBarrierAfterKeys", 4, false, true},
    {"NoBarrierAfterWait", 4, false, true},
    {"NoBarrierBeforeRefill", 2, false, true},  // only the greedy orders with late copies
    {"WaitOneShort", 4, false, false},          // only late copies
    {"NoBarrierBeforeCounts", 4, false, true},
    {"NoSyncwarp", 4, false, true},
    {"BarrierInBranch", kAll, false, false},
    {"BarrierAfterReturn", kAll, false, false},
    {"ShuffleByTwentyLanes", kAll, false, false},
    {"ShuffleOutsideMask", kAll, false, false},
    {"MisalignedCopy", kAll, false, false},
    {"StaticOverrun", kAll, true, false},
    {"DynamicOverrun", 0, true, false},
    {"MisalignedVector", 0, true, false},
    {"GlobalOverrun", 0, true, false},
    {"UninitialisedShared", kAll, false, false},
    {"BlocksAddWithoutAtomic", 0, false, true},
    {"FirstBlockAssumed", 2, false, true},
};
constexpr const char* kSound[] = {"None:row_scale", "None:tile_product", "None:best_key", "None:pipeline", "None:histogram", "None:warp_reverse"};

struct Finding {
  int wrong = 0, errors = 0, schedules = 0;
  std::string said;  // by a sanitizer
};

std::string folder() {
  char path[4096];
  const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  const std::string self(path, n > 0 ? static_cast<size_t>(n) : 0);
  return self.substr(0, self.rfind('/'));
}

// Everything the program prints, by fault.
std::map<std::string, Finding> findings_of(const std::string& program) {
  std::map<std::string, Finding> findings;
  int ends[2];
  if (pipe(ends)) return findings;
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], 1);
    dup2(ends[1], 2);
    close(ends[0]);
    personality(ADDR_NO_RANDOMIZE);  // ThreadSanitizer of older compilers wants the classic layout of the address space
    setenv("ASAN_OPTIONS", "halt_on_error=0:detect_leaks=0", 1);
    setenv("UBSAN_OPTIONS", "halt_on_error=0", 1);
    setenv("TSAN_OPTIONS", "halt_on_error=0:exitcode=0:suppress_equal_addresses=0", 1);  // shared memory has the same address in every kernel
    execl(program.c_str(), program.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  close(ends[1]);
  FILE* output = fdopen(ends[0], "r");
  char line[4096], name[256];
  std::string fault;
  while (std::fgets(line, sizeof line, output)) {
    if (std::sscanf(line, "== %255s", name) == 1 && line[2] == ' ') {
      fault = name;
      continue;
    }
    Finding& f = findings[fault];
    if (std::sscanf(line, "%255s wrong=%d errors=%d of %d", name, &f.wrong, &f.errors, &f.schedules) == 4) continue;
    f.said += line;
  }
  std::fclose(output);
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(status == 0, "%s ended with %d", program.c_str(), status);
  return findings;
}

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

template <class Found>
void check_program(const char* name, const Found& found) {
  const std::string program = folder() + "/planted/" + name;
  if (access(program.c_str(), X_OK) != 0) {
    std::printf("%s was not built\n", name);
    return;
  }
  auto findings = findings_of(program);
  for (const char* sound : kSound) {
    const Finding& f = findings[sound];
    CHECK(f.schedules > 0 && f.wrong == 0 && f.errors == 0 && f.said.empty(), "%s: %s: %d wrong, %d errors\n%s", name, sound, f.wrong, f.errors, f.said.c_str());
  }
  for (const Fault& fault : kFaults) {
    const Finding& f = findings[fault.name];
    CHECK(f.schedules > 0 && found(fault, f), "%s does not find %s: %d wrong, %d errors of %d", name, fault.name, f.wrong, f.errors, f.schedules);
  }
}

}  // namespace

int main() {
  check_program("planted_faults", [](const Fault& fault, const Finding& f) { return f.schedules == kAll && f.wrong + f.errors >= fault.schedules; });
  check_program("planted_faults_address", [](const Fault& fault, const Finding& f) { return !fault.address || contains(f.said, "AddressSanitizer") || contains(f.said, "runtime error"); });
  check_program("planted_faults_thread", [](const Fault& fault, const Finding& f) { return !fault.thread || contains(f.said, "ThreadSanitizer: data race"); });
  return report("emulator_faults_test");
}
