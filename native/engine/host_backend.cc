#include "engine/host_backend.h"

#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/ops.gen.h"
#include "cpu/isa.h"
#include "cpu/threads.h"

namespace ht {
namespace {

struct HostBackend {
  HtBackend table;
  bool reference;
};

bool is_reference(void* self) { return static_cast<HostBackend*>(self)->reference; }

HtStatus probe(void*) { return 0; }

// The smaller of physical memory and the control group's limit.
uint64_t memory_limit() {
  uint64_t bytes = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGE_SIZE));
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::FILE* file = std::fopen(path, "r");
    if (!file) continue;
    uint64_t limit = 0;
    if (std::fscanf(file, "%" SCNu64, &limit) == 1 && limit > 0 && limit < bytes) bytes = limit;
    std::fclose(file);
  }
  return bytes;
}

HtStatus info(void* self, HtDeviceInfo* out) {
  *out = HtDeviceInfo{};
  out->struct_size = sizeof *out;
  std::strncpy(out->name, is_reference(self) ? "reference" : "cpu", sizeof out->name - 1);
  std::string detail = is_reference(self) ? "plain loops in f64" : cpu::isa_name(cpu::active_isa());
  if (!is_reference(self) && !cpu::isa_note().empty()) detail += "; " + cpu::isa_note();
  std::strncpy(out->detail, detail.c_str(), sizeof out->detail - 1);
  out->memory_bytes = memory_limit();
  out->threads = is_reference(self) ? 1 : cpu::thread_count();
  out->widens_floats = is_reference(self);
  return 0;
}

constexpr size_t kAlign = 64;

// calloc leaves large blocks untouched until they are used; the original pointer stands right before the aligned one.
HtStatus alloc(void*, size_t bytes, void** out) {
  char* raw = static_cast<char*>(std::calloc(1, bytes + kAlign + sizeof(void*)));
  if (!raw) return HT_NO_MEMORY;
  char* aligned = reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(raw) + sizeof(void*) + kAlign - 1) / kAlign * kAlign);
  std::memcpy(aligned - sizeof(void*), &raw, sizeof raw);
  *out = aligned;
  return 0;
}

void release(void*, void* memory) {
  if (!memory) return;
  void* raw;
  std::memcpy(&raw, static_cast<char*>(memory) - sizeof(void*), sizeof raw);
  std::free(raw);
}

HtStatus copy(void*, void* to, const void* from, size_t bytes, int32_t) {
  if (bytes) std::memmove(to, from, bytes);
  return 0;
}

// Nothing to prepare: the program's nodes are all there is, and kernels find themselves by op.
HtStatus prepare(void*, const HtProgram*, void** plan, size_t* workspace_bytes) {
  *plan = nullptr;
  *workspace_bytes = 0;
  return 0;
}
void drop(void*, void*) {}

struct BoundNodes {
  const HtNode* nodes;
};

HtStatus bind(void*, void*, const HtProgram* program, void** bound) {
  *bound = new BoundNodes{program->nodes};
  return 0;
}
void unbind(void*, void* bound) { delete static_cast<BoundNodes*>(bound); }

HtStatus run(void* self, void* bound, int32_t first, int32_t last) {
  const HtNode* nodes = static_cast<BoundNodes*>(bound)->nodes;
  for (int32_t i = first; i < last; ++i) {
    const OpKernels& k = kOpKernels[nodes[i].op];
    const Kernel kernel = k.cpu && !is_reference(self) ? k.cpu : k.reference;
    if (kernel) kernel(nodes[i].call);
  }
  return 0;
}

HtStatus mark(void*, uint64_t* ticket) {
  *ticket = 0;
  return 0;
}
HtStatus wait(void*, uint64_t) { return 0; }
HtStatus sync(void*) { return 0; }
const char* last_error(void*) { return "out of memory"; }

HtBackend* make(HostBackend& b) {
  b.table = HtBackend{sizeof(HtBackend), HT_BACKEND_VERSION, &b, probe, info, alloc, release, copy, prepare, drop, bind, unbind, run, mark, sync, last_error, wait, nullptr};
  return &b.table;
}

}  // namespace

HtBackend* cpu_backend() {
  static HostBackend b{{}, false};
  static HtBackend* table = make(b);
  return table;
}

HtBackend* reference_backend() {
  static HostBackend b{{}, true};
  static HtBackend* table = make(b);
  return table;
}

}  // namespace ht
