// What a process has of its device: one stream, cuBLAS, staging memory, graphs. Engines share it, so that frozen weights can be
// shared too. Not thread-safe, except for await_event; failures are exceptions.
#pragma once
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/backend.h"
#include "cuda/blas.h"
#include "cuda/error_flags.h"
#include "cuda/fuse.h"
#include "cuda/graph_cache.h"
#include "cuda/launcher.h"
#include "cuda/staging.h"

namespace ht::cuda {

struct Plan {
  size_t scratch_bytes = 0;
  std::vector<Chain> chains;
};

// A program at real sizes. Its nodes belong to the engine and outlive it.
struct BoundProgram {
  const HtNode* nodes = nullptr;
  int32_t count = 0;
  void* scratch = nullptr;
  size_t scratch_bytes = 0;
  char* constants = nullptr;                        // device memory, or null
  std::vector<size_t> constants_at;                 // where each node's begin
  std::vector<Chain> chains;                        // those that run as one at these addresses
  std::vector<std::pair<int32_t, int32_t>> seen;    // ranges that ran once
  int32_t* bad_index = nullptr;
  uint64_t last_run = 0;
};

class Session {
 public:
  Session();

  void info(HtDeviceInfo* out) const;
  void* alloc(size_t bytes);
  void release(void* memory);
  void copy(void* to, const void* from, size_t bytes, int32_t kind);
  void chains(const HtProgram& program, int32_t* until) const;
  Plan* prepare(const HtProgram& program);
  BoundProgram* bind(const Plan& plan, const HtProgram& program);
  void unbind(BoundProgram* program);
  void run(BoundProgram& program, int32_t first, int32_t last);

  // A ticket, the event to wait for, and what is to be done once it has happened. The event of a ticket that is settled is null.
  uint64_t mark();
  cudaEvent_t event_of(uint64_t ticket) const;
  void settle(uint64_t ticket);
  void settle_flags(uint64_t last_run);
  uint64_t runs() const { return runs_; }
  // After an error of the stream: nothing more will be delivered.
  void abandon();

 private:
  struct Mark {
    uint64_t ticket, downloads;
    cudaEvent_t event;
  };
  void visit(const HtNode& node, Launcher& launcher);
  void launch(BoundProgram& program, int32_t first, int32_t last);
  cudaGraphExec_t capture(BoundProgram& program, int32_t first, int32_t last);

  std::string description_;
  cudaStream_t stream_;
  size_t memory_bytes_ = 0;
  bool use_graphs_ = true;
  Staging staging_;
  Blas blas_;
  GraphCache graphs_;
  ErrorFlags flags_;
  uint64_t runs_ = 0, tickets_ = 0;
  std::set<BoundProgram*> pending_;  // ran since their flags were looked at
  std::deque<Mark> marks_;           // in the order of the stream
  std::vector<cudaEvent_t> free_events_;
};

}  // namespace ht::cuda
