// A library that looks like the CUDA backend and breaks while it is probed, as HT_BROKEN_BACKEND says: for tests of what a
// driver that is broken does to the process that loads it.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "core/backend.h"

namespace {

HtStatus probe(void*) {
  const char* how = std::getenv("HT_BROKEN_BACKEND");
  const std::string mode = how ? how : "";
  if (mode == "crash") {
    std::fprintf(stderr, "driver: assertion failed\n");
    std::abort();
  }
  if (mode == "exit") std::_Exit(7);
  if (mode == "hang")
    for (;;) pause();
  return HT_FAILED;
}

const char* last_error(void*) { return "the device is in use"; }

}  // namespace

extern "C" __attribute__((visibility("default"))) HtBackend* ht_open_backend(uint32_t) {
  static HtBackend table{};
  table.struct_size = sizeof table;
  table.version = HT_BACKEND_VERSION;
  table.probe = probe;
  table.last_error = last_error;
  return &table;
}
