#include "engine/engine.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "core/ops.gen.h"
#include "engine/bind.h"
#include "engine/cuda_library.h"

namespace ht {
namespace {

constexpr size_t kBindingsKept = 16;
// Steps of a repeated run that a device may have been given and not finished: one that runs, and one that it goes on with.
constexpr int32_t kStepsAhead = 2;
// More than any memory; times the most steps of a run it still fits 64 bits.
constexpr uint64_t kMaxResults = uint64_t{1} << 42;

template <class T>
const T* as(const HostArray& a) {
  return reinterpret_cast<const T*>(a.bytes.data());
}

}  // namespace

// Host memory that downloads are on their way to must outlive them, also when something throws in between.
class Engine::Downloads {
 public:
  explicit Downloads(Engine& engine) : engine_(engine) {}
  Downloads(const Downloads&) = delete;
  void finish() {
    finished_ = true;
    engine_.check(engine_.backend_->sync(engine_.backend_->self));
  }
  ~Downloads() {
    if (!finished_) engine_.backend_->sync(engine_.backend_->self);
  }

 private:
  Engine& engine_;
  bool finished_ = false;
};

Engine::Engine(HtBackend* backend, uint64_t memory_limit) : backend_(backend), memory_limit_(memory_limit) {
  require_device(backend_);
  const HtDeviceInfo device = info();
  widens_ = device.widens_floats != 0;
  asynchronous_ = device.asynchronous != 0;
  if (!memory_limit_) memory_limit_ = device.memory_bytes;
  thread_ = std::thread([this] { loop(); });
}

Engine::~Engine() { close(); }

void Engine::close() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
    stop_ = true;
    jobs_.clear();
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

HtDeviceInfo Engine::info() const {
  HtDeviceInfo device;
  backend_->info(backend_->self, &device);
  return device;
}

void Engine::check(HtStatus status) const {
  if (status != HT_OK) throw_status(status, backend_->last_error(backend_->self));
}

bool Engine::submit(std::function<void()> job) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closing_) return false;
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
  return true;
}

void Engine::loop() {
  for (;;) {
    std::function<void()> job;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return closing_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

// What a program needs beside the buffers there are: arena, workspace and, where device memory is the host's, what its runs return.
void Engine::require_room(const CompiledProgram& compiled, uint64_t results) const {
  const uint64_t arena = std::max<uint64_t>(arena_bytes_, static_cast<uint64_t>(compiled.program.arena_bytes) + compiled.workspace_bytes);
  const uint64_t buffers = buffer_bytes_, need = arena + (asynchronous_ ? 0 : results);
  if (memory_limit_ && buffers + need > memory_limit_)
    throw Error("MEMORY_LIMIT", "program", format("needs %llu bytes beside %llu of buffers; the limit is %llu.", static_cast<unsigned long long>(need), static_cast<unsigned long long>(buffers), static_cast<unsigned long long>(memory_limit_)));
}

std::shared_ptr<Buffer> Engine::create_buffer(DType dtype, int64_t elements, bool frozen) {
  const uint64_t bytes = static_cast<uint64_t>(elements) * dtype_size(stored(dtype));
  if (memory_limit_ && bytes_in_use() + bytes > memory_limit_)
    throw Error("MEMORY_LIMIT", "buffer", format("needs %llu bytes on top of %llu in use; the limit is %llu.", static_cast<unsigned long long>(bytes), static_cast<unsigned long long>(bytes_in_use()), static_cast<unsigned long long>(memory_limit_)));
  auto storage = std::make_shared<Storage>(backend_, bytes);
  buffer_bytes_ += bytes;
  std::shared_ptr<Buffer> buffer(new Buffer{dtype, elements, frozen, bytes, std::move(storage), {}, true}, [this, bytes](Buffer* b) {
    buffer_bytes_ -= bytes;
    delete b;
  });
  if (dtype == DType::I32) buffer->shadow.assign(static_cast<size_t>(elements), 0);
  return buffer;
}

std::shared_ptr<CompiledProgram> Engine::compile(const int32_t* words, int64_t count, std::vector<std::shared_ptr<Buffer>> buffers) {
  std::vector<BufferSpec> specs;
  for (const auto& b : buffers) specs.push_back({b->dtype, b->elements, b->frozen});
  auto compiled = std::make_shared<CompiledProgram>();
  compiled->backend = backend_;
  compiled->program = parse_program(words, count, specs);
  compiled->buffers = std::move(buffers);
  std::unique_ptr<Bound> sizes = make_bound(*compiled, compiled->program.capacity, nullptr, widens_, nullptr);
  const std::vector<int32_t> readers = reader_counts(compiled->program);
  const HtProgram view{sizeof(HtProgram), static_cast<int32_t>(sizes->nodes.size()), sizes->nodes.data(), nullptr, readers.data()};
  std::vector<int32_t> until;
  if (backend_->chains) {
    until.resize(sizes->nodes.size());
    check(backend_->chains(backend_->self, &view, until.data()));
  }
  plan_arena(compiled->program, widens_, until);
  require_room(*compiled, 0);
  check(backend_->prepare(backend_->self, &view, &compiled->plan, &compiled->workspace_bytes));
  require_room(*compiled, 0);
  return compiled;
}

Bound& Engine::bind(CompiledProgram& compiled, const std::vector<int32_t>& symbols) {
  const uint64_t need = static_cast<uint64_t>(compiled.program.arena_bytes) + compiled.workspace_bytes;
  if (!arena_ || arena_->bytes < need) {
    arena_.reset();
    arena_bytes_ = 0;
    arena_ = std::make_unique<Storage>(backend_, need);
    arena_bytes_ = need;
    ++layout_;
  }
  auto& kept = compiled.bindings;
  for (size_t i = 0; i < kept.size(); ++i) {
    if (kept[i]->layout != layout_ || kept[i]->symbols != symbols) continue;
    std::rotate(kept.begin(), kept.begin() + i, kept.begin() + i + 1);
    return *kept.front();
  }
  char* arena = static_cast<char*>(arena_->data);
  std::unique_ptr<Bound> bound = make_bound(compiled, symbols, arena, widens_, &flags_);
  bound->layout = layout_;
  const HtProgram view{sizeof(HtProgram), static_cast<int32_t>(bound->nodes.size()), bound->nodes.data(), arena + compiled.program.arena_bytes, nullptr};
  check(backend_->bind(backend_->self, compiled.plan, &view, &bound->handle));
  kept.erase(std::remove_if(kept.begin(), kept.end(), [&](const auto& b) { return b->layout != layout_; }), kept.end());
  if (kept.size() == kBindingsKept) kept.pop_back();
  kept.insert(kept.begin(), std::move(bound));
  return *kept.front();
}

void Engine::refresh_shadow(Buffer& b) {
  Downloads downloads(*this);
  check(backend_->copy(backend_->self, b.shadow.data(), b.storage->data, b.shadow.size() * sizeof(int32_t), 1));
  downloads.finish();
  b.shadow_valid = true;
}

void Engine::check_indices(const CompiledProgram& compiled, const Bound& bound, const RunRequest& request) {
  const Program& p = compiled.program;
  for (const IndexCheck& c : p.checks) {
    const int32_t root = p.root(c.value);
    const Value& source = p.values[root];
    const int32_t* data = nullptr;
    std::string field;
    if (source.kind == ValueKind::Feed) {
      data = as<int32_t>(request.feeds[source.index]);
      field = format("feed %d", source.index);
    } else if (source.kind == ValueKind::Buffer) {
      Buffer& buffer = *compiled.buffers[source.index];
      if (c.offsets && !buffer.shadow_valid) refresh_shadow(buffer);
      if (buffer.shadow_valid) data = buffer.shadow.data();
      field = format("buffer %d", source.index);
    }
    if (!data) continue;
    data += static_cast<const int32_t*>(bound.values[c.value].data) - static_cast<const int32_t*>(bound.values[root].data);
    int64_t hi = 0;
    for (const Dim& d : c.hi) hi += d.at(request.symbols.data());
    const int64_t n = bound.values[c.value].size();
    const std::string where = node_label(p, c.node) + " operand " + c.operand;
    if (c.offsets) {
      if (n < 1 || data[0] != 0 || data[n - 1] != hi) throw Error("FEED_RANGE", field, format("%s: offsets run from 0 to %lld.", where.c_str(), static_cast<long long>(hi)));
      for (int64_t i = 1; i < n; ++i)
        if (data[i] < data[i - 1]) throw Error("FEED_RANGE", field, format("%s: offset %lld falls.", where.c_str(), static_cast<long long>(i)));
      continue;
    }
    for (int64_t i = 0; i < n; ++i)
      if (data[i] < c.lo || data[i] >= hi)
        throw Error("FEED_RANGE", field, format("%s: element %lld is %d, outside [%d, %lld).", where.c_str(), static_cast<long long>(i), data[i], c.lo, static_cast<long long>(hi)));
  }
}

void Engine::to_device(const HostArray& from, DType type, void* to, int64_t elements) {
  if (from.dtype == type) {
    check(backend_->copy(backend_->self, to, from.bytes.data(), static_cast<size_t>(elements) * dtype_size(type), 0));
    return;
  }
  std::vector<char> staging(static_cast<size_t>(elements) * dtype_size(type));
  Tensor source, target;
  source.data = const_cast<char*>(from.bytes.data());
  source.dtype = from.dtype;
  target.data = staging.data();
  target.dtype = type;
  for (int64_t i = 0; i < elements; ++i) target.set(i, source.get(i));
  check(backend_->copy(backend_->self, to, staging.data(), staging.size(), 0));
}

static DType host_type(DType stored) { return stored == DType::BF16 ? DType::F32 : stored == DType::I8 ? DType::I32 : stored; }

// Downloaded bytes as the caller sees them: bf16 becomes f32, i8 becomes i32.
static void append(std::vector<char>& out, DType type, const std::vector<char>& bytes) {
  if (host_type(type) == type) {
    out.insert(out.end(), bytes.begin(), bytes.end());
    return;
  }
  const size_t at = out.size(), n = bytes.size() / dtype_size(type);
  out.resize(at + n * dtype_size(host_type(type)));
  Tensor source, target;
  source.data = const_cast<char*>(bytes.data());
  source.dtype = type;
  target.data = out.data() + at;
  target.dtype = host_type(type);
  for (size_t i = 0; i < n; ++i) target.set(static_cast<int64_t>(i), source.get(static_cast<int64_t>(i)));
}

void Engine::make_own(Buffer& b, bool keep_content) {
  if (!b.storage->shared) {
    b.storage->cache.clear();
    return;
  }
  auto own = std::make_shared<Storage>(backend_, b.storage->bytes);
  if (keep_content) check(backend_->copy(backend_->self, own->data, b.storage->data, own->bytes, 2));
  b.storage = std::move(own);
  ++layout_;
}

void Engine::write(Buffer& b, const HostArray& data, int64_t offset) {
  const DType type = stored(b.dtype);
  const int64_t n = static_cast<int64_t>(data.bytes.size() / dtype_size(data.dtype));
  make_own(b, n < b.elements);
  to_device(data, type, static_cast<char*>(b.storage->data) + offset * static_cast<int64_t>(dtype_size(type)), n);
  if (b.dtype != DType::I32 || n == 0) return;
  std::memcpy(b.shadow.data() + offset, data.bytes.data(), data.bytes.size());
  if (n == b.elements) b.shadow_valid = true;
}

HostArray Engine::read(const Buffer& b, int64_t offset, int64_t count) {
  const DType type = stored(b.dtype);
  HostArray out{host_type(type), {}};
  std::vector<char> bytes(static_cast<size_t>(count) * dtype_size(type));
  Downloads downloads(*this);
  check(backend_->copy(backend_->self, bytes.data(), static_cast<const char*>(b.storage->data) + offset * static_cast<int64_t>(dtype_size(type)), bytes.size(), 1));
  downloads.finish();
  if (out.dtype != type) append(out.bytes, type, bytes);
  else out.bytes = std::move(bytes);
  return out;
}

// Whether another buffer holds the weights of that name; `b` then holds them too. An empty name is nobody's.
bool Engine::share(Buffer& b, const std::string& key) {
  auto there = key.empty() ? nullptr : find_weights(key);
  if (!there) return false;
  b.storage = std::move(there);
  ++layout_;
  return true;
}

void Engine::keep(Buffer& b, const std::string& key) {
  if (key.empty()) return;
  auto kept = keep_weights(key, b.storage);
  if (kept == b.storage) return;
  b.storage = std::move(kept);
  ++layout_;
}

void Engine::upload(Buffer& b, const void* data, size_t bytes, int64_t offset) {
  const size_t at = static_cast<size_t>(offset) * dtype_size(stored(b.dtype));
  make_own(b, at > 0 || bytes < b.storage->bytes);
  check(backend_->copy(backend_->self, static_cast<char*>(b.storage->data) + at, data, bytes, 0));
}

void Engine::load(Buffer& b, const FileRange& range, int64_t offset) {
  const DType type = stored(b.dtype);
  const int64_t n = range.bytes / (range.dtype == "F32" ? 4 : 2);
  const std::string key = b.frozen && offset == 0 && n == b.elements ? weight_key(range, type, backend_) : "";
  if (share(b, key)) return;
  std::vector<char> staging(static_cast<size_t>(n) * dtype_size(type));
  read_file_range(range, type, staging.data(), n);
  upload(b, staging.data(), staging.size(), offset);
  keep(b, key);
}

void Engine::load_int8(Buffer& b, Buffer& scales, const FileRange& range) {
  std::string key = b.frozen && scales.frozen ? weight_key(range, DType::I8, backend_) : "", scale_key;
  if (!key.empty()) {
    key += format(" in %lld rows", static_cast<long long>(scales.elements));
    scale_key = key + ", scales";
  }
  if (share(scales, scale_key) && share(b, key)) return;
  std::vector<int8_t> values(static_cast<size_t>(b.elements));
  std::vector<float> factors(static_cast<size_t>(scales.elements));
  read_int8_rows(range, scales.elements, values.data(), factors.data(), b.elements);
  upload(b, values.data(), values.size(), 0);
  keep(b, key);
  if (stored(DType::F32) == DType::F32) {
    upload(scales, factors.data(), factors.size() * sizeof(float), 0);
  } else {
    const std::vector<double> wide(factors.begin(), factors.end());
    upload(scales, wide.data(), wide.size() * sizeof(double), 0);
  }
  keep(scales, scale_key);
}

void Engine::copy_feeds(CompiledProgram& compiled, Bound& bound, const RunRequest& request) {
  const Program& p = compiled.program;
  for (size_t f = 0; f < p.feeds.size(); ++f) {
    const Tensor& t = bound.values[p.feeds[f]];
    to_device(request.feeds[f], t.dtype, t.data, t.size());
  }
}

void Engine::stop_if_cancelled(const std::atomic<bool>* cancel) const {
  if (stop_ || (cancel && *cancel)) throw Error("ABORTED", "", "The call was aborted.");
}

// Cancelled between nodes, but not once persistent state is being written; where nodes are only enqueued, before the first.
void Engine::step(CompiledProgram& compiled, Bound& bound, const std::atomic<bool>* cancel) {
  const int32_t nodes = static_cast<int32_t>(bound.nodes.size()), first_write = asynchronous_ ? 0 : compiled.program.first_write;
  for (int32_t i = 0; i < first_write; ++i) {
    stop_if_cancelled(cancel);
    check(backend_->run(backend_->self, bound.handle, i, i + 1));
  }
  if (first_write == nodes) return;
  stop_if_cancelled(cancel);
  check(backend_->run(backend_->self, bound.handle, first_write, nodes));
}

// What one step of a run leaves on the host.
struct Engine::Landing {
  uint64_t ticket = 0;
  std::vector<std::vector<char>> fetches;
  int32_t stop = 0;
};

void Engine::fetch(const Program& p, const Bound& bound, Landing& to) {
  to.fetches.resize(p.fetches.size());
  for (size_t i = 0; i < p.fetches.size(); ++i) {
    const Tensor& t = bound.values[p.fetches[i]];
    to.fetches[i].resize(t.bytes());
    check(backend_->copy(backend_->self, to.fetches[i].data(), t.data, t.bytes(), 1));
  }
  if (p.stop >= 0) check(backend_->copy(backend_->self, &to.stop, bound.values[p.stop].data, sizeof to.stop, 1));
  check(backend_->mark(backend_->self, &to.ticket));
}

// On a device that runs behind, the next step is enqueued before this one's stop value is known. The step that then ran too many
// is dropped: where the stop value is set, a program leaves what it keeps as it is.
RunResult Engine::replay(CompiledProgram& compiled, Bound& bound, const RunRequest& request) {
  const Program& p = compiled.program;
  RunResult result;
  for (int32_t v : p.fetches) result.fetches.push_back({host_type(bound.values[v].dtype), {}});
  std::vector<Landing> landings(asynchronous_ ? kStepsAhead : 1);  // outlives what is downloaded into it
  Downloads downloads(*this);
  const int32_t ahead = static_cast<int32_t>(landings.size());
  const auto accept = [&] {
    Landing& step = landings[result.steps % ahead];
    check(backend_->wait(backend_->self, step.ticket));
    ++result.steps;
    for (size_t i = 0; i < p.fetches.size(); ++i) append(result.fetches[i].bytes, bound.values[p.fetches[i]].dtype, step.fetches[i]);
    return step.stop != 0;
  };
  bool stopped = false;
  for (int32_t begun = 0; begun < request.repeat && !stopped; ++begun) {
    step(compiled, bound, request.cancel.get());
    fetch(p, bound, landings[begun % ahead]);
    if (begun + 1 - result.steps == ahead) stopped = accept();
  }
  while (result.steps < request.repeat && !stopped) stopped = accept();
  downloads.finish();
  return result;
}

RunResult Engine::run(CompiledProgram& compiled, RunRequest& request) {
  const Program& p = compiled.program;
  if (request.symbols.size() != p.capacity.size()) throw Error("FEED_INVALID", "symbols", format("%zu values for %zu symbols.", request.symbols.size(), p.capacity.size()));
  for (size_t i = 0; i < p.capacity.size(); ++i)
    if (request.symbols[i] < 0 || request.symbols[i] > p.capacity[i]) throw Error("FEED_INVALID", format("symbol %zu", i), format("%d is outside [0, %d].", request.symbols[i], p.capacity[i]));
  if (request.feeds.size() != p.feeds.size()) throw Error("FEED_INVALID", "feeds", format("%zu feeds for %zu.", request.feeds.size(), p.feeds.size()));
  for (size_t f = 0; f < p.feeds.size(); ++f) {
    const Value& v = p.values[p.feeds[f]];
    const HostArray& given = request.feeds[f];
    if ((v.dtype == DType::I32) != (given.dtype == DType::I32)) throw Error("FEED_INVALID", format("feed %zu", f), format("%s where %s is expected.", dtype_name(given.dtype), dtype_name(v.dtype)));
    const int64_t n = v.elements(request.symbols.data()), have = static_cast<int64_t>(given.bytes.size() / dtype_size(given.dtype));
    if (n != have) throw Error("FEED_INVALID", format("feed %zu", f), format("has %lld elements, the bound shape %lld.", static_cast<long long>(have), static_cast<long long>(n)));
  }

  uint64_t results = 0;
  for (int32_t v : p.fetches) results += static_cast<uint64_t>(p.values[v].elements(request.symbols.data())) * dtype_size(host_type(stored(p.values[v].dtype)));
  require_room(compiled, std::min(results, kMaxResults) * static_cast<uint64_t>(request.repeat));
  Bound& bound = bind(compiled, request.symbols);
  check_indices(compiled, bound, request);
  copy_feeds(compiled, bound, request);
  flags_.bad_index = 0;
  for (int32_t b : p.written) {
    compiled.buffers[b]->shadow_valid = false;
    compiled.buffers[b]->storage->cache.clear();
  }
  RunResult result = replay(compiled, bound, request);
  if (flags_.bad_index) throw Error("FEED_RANGE", "device index", "an index computed on the device was out of range and was clamped.");
  return result;
}

}  // namespace ht
