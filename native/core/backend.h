// The dozen functions behind which a device stands. Only C types cross, so that a backend can live in a shared object of its own.
// Every struct begins with its size; a backend built against an older table still loads as long as the major version agrees.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/status.h"
#include "core/tensor.h"

extern "C" {

constexpr uint32_t HT_BACKEND_VERSION = 2;

struct HtDeviceInfo {
  uint32_t struct_size;
  char name[128];           // for a person
  char detail[256];         // instruction set, driver, library versions
  uint64_t memory_bytes;    // what allocations may use; 0 when unknown
  int32_t threads;          // compute threads, 0 where the word has no meaning
  int32_t widens_floats;    // 1: every float tensor is stored as f64 (the reference)
  int32_t asynchronous;     // 1: run returns before the nodes are done, so nothing is gained by running them one by one
};

// One node after binding: kernels see operands with real sizes. Arrays belong to the engine and outlive the bound program.
struct HtNode {
  int32_t op;         // ht::Op
  int32_t stable_id;  // the same in every program that recomputes the node
  ht::Call call;
  // Which value of the program each operand is, -1 where it is absent; null where a program does not say.
  int32_t in_count, out_count;
  const int32_t *in_value, *out_value;
};

struct HtProgram {
  uint32_t struct_size;
  int32_t node_count;
  const HtNode* nodes;  // at capacity in prepare, at real sizes in bind
  void* workspace;      // in bind: workspace_bytes of the device's memory
  const int32_t* readers;  // in chains and prepare: of each value, how many operands read it, views included; one more where it outlives the run
};

struct HtBackend {
  uint32_t struct_size;
  uint32_t version;
  void* self;  // passed back to every function below

  HtStatus (*probe)(void* self);  // can the device be used at all
  HtStatus (*info)(void* self, HtDeviceInfo* out);
  HtStatus (*alloc)(void* self, size_t bytes, void** out);  // zeroed, 64-byte aligned
  void (*release)(void* self, void* memory);                // once everything enqueued before has run
  // kind 0: host to device, 1: device to host, 2: device to device; ordered after everything enqueued before. What is uploaded
  // may be changed once copy has returned; what is downloaded is in place once wait or sync has.
  HtStatus (*copy)(void* self, void* to, const void* from, size_t bytes, int32_t kind);
  HtStatus (*prepare)(void* self, const HtProgram* program, void** plan, size_t* workspace_bytes);
  void (*drop)(void* self, void* plan);
  // bound is what run takes; a plan may have many at once, and each is released by unbind.
  HtStatus (*bind)(void* self, void* plan, const HtProgram* program, void** bound);
  void (*unbind)(void* self, void* bound);
  // Enqueues nodes [first, last); returns before they have finished where the device is asynchronous.
  HtStatus (*run)(void* self, void* bound, int32_t first, int32_t last);
  // A ticket for everything enqueued so far; each is waited for once, or not at all when a sync comes after it.
  HtStatus (*mark)(void* self, uint64_t* ticket);
  HtStatus (*sync)(void* self);  // waits for everything and raises the RunFlags of programs that ran
  const char* (*last_error)(void* self);
  HtStatus (*wait)(void* self, uint64_t ticket);
  // Before memory is planned, at capacity: until[i] is the last node that may run as one with node i, i where it runs alone. What such
  // nodes read keeps its place until the last of them has run. Null: all run alone.
  HtStatus (*chains)(void* self, const HtProgram* program, int32_t* until);
};

// What a backend in a shared object of its own exports under this name; null where it cannot serve that version of the table.
typedef HtBackend* (*HtOpenBackend)(uint32_t version);
#define HT_OPEN_BACKEND "ht_open_backend"

}  // extern "C"
