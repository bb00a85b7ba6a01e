// One engine: a device, its persistent buffers, its compiled programs and one thread that executes what is submitted, first
// in, first out. Buffers and programs are made and dropped from any thread; everything that touches device memory runs as a job.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/program.h"
#include "engine/storage.h"

namespace ht {

struct Buffer {
  DType dtype;
  int64_t elements;
  bool frozen;
  uint64_t bytes;  // of its storage, whichever that is
  std::shared_ptr<Storage> storage;
  // Host copy of an i32 buffer's content, to range-check it as an operand; not valid once a program has written it.
  std::vector<int32_t> shadow;
  bool shadow_valid = true;
};

struct Bound;

struct CompiledProgram {
  Program program;
  std::vector<std::shared_ptr<Buffer>> buffers;
  HtBackend* backend = nullptr;
  void* plan = nullptr;
  size_t workspace_bytes = 0;
  std::vector<std::unique_ptr<Bound>> bindings;  // most recently used first
  CompiledProgram();
  ~CompiledProgram();
};

// What a caller feeds: host elements of type f32, f64 or i32.
struct HostArray {
  DType dtype;
  std::vector<char> bytes;
};

using CancelFlag = std::shared_ptr<std::atomic<bool>>;

struct RunRequest {
  std::vector<int32_t> symbols;
  std::vector<HostArray> feeds;
  int32_t repeat = 1;
  CancelFlag cancel;
};

struct RunResult {
  std::vector<HostArray> fetches;  // repeated runs: the steps one after the other
  int32_t steps = 0;
};

class Engine {
 public:
  Engine(HtBackend* backend, uint64_t memory_limit);  // limit 0: what the device has
  ~Engine();
  void close();  // cancels what runs, drops what waits, joins; programs and buffers can then go on any thread

  HtDeviceInfo info() const;
  uint64_t bytes_in_use() const { return buffer_bytes_ + arena_bytes_; }

  std::shared_ptr<Buffer> create_buffer(DType dtype, int64_t elements, bool frozen);
  std::shared_ptr<CompiledProgram> compile(const int32_t* words, int64_t count, std::vector<std::shared_ptr<Buffer>> buffers);

  // False once the engine is closing; the job is then never called.
  bool submit(std::function<void()> job);

  // For jobs only.
  void write(Buffer& buffer, const HostArray& data, int64_t element_offset);
  HostArray read(const Buffer& buffer, int64_t element_offset, int64_t count);
  void load(Buffer& buffer, const FileRange& range, int64_t element_offset);
  // Into a whole i8 buffer, with one scale for each of as many equal rows as `scales` has elements.
  void load_int8(Buffer& buffer, Buffer& scales, const FileRange& range);
  RunResult run(CompiledProgram& program, RunRequest& request);

 private:
  class Downloads;
  struct Landing;
  void loop();
  void check(HtStatus status) const;
  void require_room(const CompiledProgram& compiled, uint64_t results) const;
  bool widens() const { return widens_; }
  DType stored(DType t) const { return widens_ && dtype_is_float(t) ? DType::F64 : t; }
  bool share(Buffer& buffer, const std::string& key);
  void keep(Buffer& buffer, const std::string& key);
  void upload(Buffer& buffer, const void* data, size_t bytes, int64_t element_offset);
  // Before a write: storage that other buffers may hold is replaced by a copy.
  void make_own(Buffer& buffer, bool keep_content);
  Bound& bind(CompiledProgram& program, const std::vector<int32_t>& symbols);
  void refresh_shadow(Buffer& buffer);
  void check_indices(const CompiledProgram& program, const Bound& bound, const RunRequest& request);
  void copy_feeds(CompiledProgram& program, Bound& bound, const RunRequest& request);
  void stop_if_cancelled(const std::atomic<bool>* cancel) const;
  void step(CompiledProgram& program, Bound& bound, const std::atomic<bool>* cancel);
  void fetch(const Program& program, const Bound& bound, Landing& to);
  RunResult replay(CompiledProgram& program, Bound& bound, const RunRequest& request);
  void to_device(const HostArray& from, DType stored, void* to, int64_t elements);

  HtBackend* backend_;
  bool widens_ = false, asynchronous_ = false;
  uint64_t memory_limit_;
  std::atomic<uint64_t> buffer_bytes_{0};
  std::atomic<uint64_t> arena_bytes_{0};
  std::unique_ptr<Storage> arena_;
  uint64_t layout_ = 0;  // raised whenever an address that bindings hold may have changed
  RunFlags flags_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool closing_ = false;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace ht
