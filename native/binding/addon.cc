// The addon's functions: integers for handles, typed arrays for data, promises for everything that touches a device.
// lib/engine/native.ts declares them for TypeScript and is their only caller.
#include <cstring>
#include <map>
#include <mutex>

#include "binding/async.h"
#include "core/ops.gen.h"
#include "cpu/isa.h"
#include "cpu/threads.h"
#include "engine/cuda_library.h"
#include "engine/host_backend.h"

namespace ht {
namespace {

// JavaScript sees a thrown Error as one with code and field.
template <Napi::Value (*F)(const Napi::CallbackInfo&)>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  try {
    return F(info);
  } catch (const Error& e) {
    to_js(info.Env(), e).ThrowAsJavaScriptException();
  } catch (const std::bad_alloc&) {
    to_js(info.Env(), "MEMORY_LIMIT", "", "Out of memory.").ThrowAsJavaScriptException();
  }
  return info.Env().Undefined();
}

int64_t integer(const Napi::CallbackInfo& info, size_t i, const char* name, int64_t lo, int64_t hi) {
  if (i >= info.Length() || !info[i].IsNumber()) throw Error("ARGUMENT_INVALID", name, "a number is expected.");
  const double x = info[i].As<Napi::Number>().DoubleValue();
  if (!(x >= static_cast<double>(lo) && x <= static_cast<double>(hi)) || x != static_cast<double>(static_cast<int64_t>(x)))
    throw Error("ARGUMENT_RANGE", name, format("%g is not an integer from %lld to %lld.", x, static_cast<long long>(lo), static_cast<long long>(hi)));
  return static_cast<int64_t>(x);
}

constexpr int64_t kMaxBytes = int64_t{1} << 46;

std::string text(const Napi::CallbackInfo& info, size_t i, const char* name) {
  if (i >= info.Length() || !info[i].IsString()) throw Error("ARGUMENT_INVALID", name, "a string is expected.");
  return info[i].As<Napi::String>().Utf8Value();
}

HostArray copy_array(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray()) throw Error("FEED_INVALID", name, "a typed array is expected.");
  const Napi::TypedArray a = value.As<Napi::TypedArray>();
  HostArray out;
  switch (a.TypedArrayType()) {
    case napi_float32_array: out.dtype = DType::F32; break;
    case napi_float64_array: out.dtype = DType::F64; break;
    case napi_int32_array: out.dtype = DType::I32; break;
    default: throw Error("FEED_INVALID", name, "a Float32Array, Float64Array or Int32Array is expected.");
  }
  void* data = nullptr;  // also of an array over a SharedArrayBuffer, which Napi::ArrayBuffer refuses
  napi_get_typedarray_info(value.Env(), value, nullptr, nullptr, &data, nullptr, nullptr);
  const char* const bytes = static_cast<const char*>(data);
  if (a.ByteLength() > 0) out.bytes.assign(bytes, bytes + a.ByteLength());
  return out;
}

std::vector<int32_t> copy_ints(const Napi::Value& value, const char* name) {
  const HostArray a = copy_array(value, name);
  if (a.dtype != DType::I32) throw Error("FEED_INVALID", name, "an Int32Array is expected.");
  std::vector<int32_t> out(a.bytes.size() / 4);
  if (!out.empty()) std::memcpy(out.data(), a.bytes.data(), a.bytes.size());
  return out;
}

Napi::Value to_array(Napi::Env env, const HostArray& a) {
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, a.bytes.size());
  if (!a.bytes.empty()) std::memcpy(buffer.Data(), a.bytes.data(), a.bytes.size());
  const size_t n = a.bytes.size() / dtype_size(a.dtype);
  if (a.dtype == DType::I32) return Napi::Int32Array::New(env, n, buffer, 0);
  if (a.dtype == DType::F64) return Napi::Float64Array::New(env, n, buffer, 0);
  return Napi::Float32Array::New(env, n, buffer, 0);
}

// openEngine(device, memoryLimit, library: file of the CUDA backend) -> { id, name, detail, memoryBytes, threads }
Napi::Value open_engine(const Napi::CallbackInfo& info) {
  const std::string device = text(info, 0, "device");
  HtBackend* backend = device == "cpu" ? cpu_backend() : device == "reference" ? reference_backend() : device == "cuda" ? cuda_backend(text(info, 2, "library")) : nullptr;
  if (!backend) throw Error("ARGUMENT_INVALID", "device", format("'%s' is not a device.", device.c_str()));
  auto entry = std::make_unique<EngineEntry>();
  entry->engine = std::make_unique<Engine>(backend, static_cast<uint64_t>(integer(info, 1, "memoryLimit", 0, kMaxBytes)));
  const HtDeviceInfo d = entry->engine->info();
  Addon& addon = Addon::of(info.Env());
  const int32_t id = addon.next_id();
  addon.engines[id] = std::move(entry);
  Napi::Object out = Napi::Object::New(info.Env());
  out["id"] = Napi::Number::New(info.Env(), id);
  out["name"] = Napi::String::New(info.Env(), d.name);
  out["detail"] = Napi::String::New(info.Env(), d.detail);
  out["memoryBytes"] = Napi::Number::New(info.Env(), static_cast<double>(d.memory_bytes));
  out["threads"] = Napi::Number::New(info.Env(), d.threads);
  return out;
}

// probeCuda(library): throws what openEngine('cuda', ..., library) would; called in a child process, which may die of it
Napi::Value probe_cuda(const Napi::CallbackInfo& info) {
  require_device(cuda_backend(text(info, 0, "library")));
  return info.Env().Undefined();
}

// cudaProbed(library, answer?) -> what a child process answered about that library, once for all threads of this process
Napi::Value cuda_probed(const Napi::CallbackInfo& info) {
  static std::mutex mutex;
  static std::map<std::string, std::string> answers;
  std::lock_guard<std::mutex> lock(mutex);
  const std::string library = text(info, 0, "library");
  if (info.Length() > 1 && info[1].IsString()) answers[library] = text(info, 1, "answer");
  const auto it = answers.find(library);
  return it == answers.end() ? info.Env().Undefined() : Napi::String::New(info.Env(), it->second);
}

void report(Napi::Env env, EngineEntry& entry, int64_t bytes) {
  entry.reported += bytes;
  Napi::MemoryManagement::AdjustExternalMemory(env, bytes);
}

// closeEngine(engine) -> Promise<void>, once everything submitted before has run
Napi::Value close_engine(const Napi::CallbackInfo& info) {
  Addon& addon = Addon::of(info.Env());
  EngineEntry& entry = addon.engine(info[0]);
  entry.closing = true;
  const int32_t id = info[0].As<Napi::Number>().Int32Value();
  return addon.submit(info.Env(), entry, [&addon, id]() -> MakeResult {
    return [&addon, id](Napi::Env env) {
      report(env, *addon.engines[id], -addon.engines[id]->reported);
      addon.engines.erase(id);
      return env.Undefined();
    };
  });
}

// createBuffer(engine, dtype, elements, frozen) -> id
Napi::Value create_buffer(const Napi::CallbackInfo& info) {
  Addon& addon = Addon::of(info.Env());
  EngineEntry& entry = addon.engine(info[0]);
  const DType dtype = static_cast<DType>(integer(info, 1, "dtype", 0, kDTypeCount - 1));
  if (dtype == DType::F64) throw Error("ARGUMENT_INVALID", "dtype", "f64 is no type of a buffer.");
  auto buffer = entry.engine->create_buffer(dtype, integer(info, 2, "elements", 0, kMaxBytes / 8), info[3].ToBoolean());
  const int32_t id = addon.next_id();
  report(info.Env(), entry, static_cast<int64_t>(buffer->bytes));
  entry.buffers[id] = std::move(buffer);
  return Napi::Number::New(info.Env(), id);
}

// freeBuffer(engine, buffer): programs that use it keep it alive
Napi::Value free_buffer(const Napi::CallbackInfo& info) {
  Addon& addon = Addon::of(info.Env());
  EngineEntry& entry = addon.engine(info[0]);
  auto buffer = addon.buffer(entry, info[1]);
  report(info.Env(), entry, -static_cast<int64_t>(buffer->bytes));
  entry.buffers.erase(info[1].As<Napi::Number>().Int32Value());
  // The last reference goes on the engine's thread: a job in flight may be replacing its storage.
  entry.engine->submit([buffer] {});
  return info.Env().Undefined();
}

void check_range(const Buffer& b, int64_t offset, int64_t count) {
  if (offset > b.elements || count > b.elements - offset) throw Error("ARGUMENT_RANGE", "elements", format("[%lld, %lld) reaches past the %lld of the buffer.", static_cast<long long>(offset), static_cast<long long>(offset + count), static_cast<long long>(b.elements)));
}

// writeBuffer(engine, buffer, data, elementOffset) -> Promise<void>
Napi::Value write_buffer(const Napi::CallbackInfo& info) {
  Addon& addon = Addon::of(info.Env());
  EngineEntry& entry = addon.engine(info[0]);
  auto buffer = addon.buffer(entry, info[1]);
  auto data = std::make_shared<HostArray>(copy_array(info[2], "data"));
  const int64_t offset = integer(info, 3, "elementOffset", 0, kMaxBytes);
  if (dtype_is_float(buffer->dtype) != dtype_is_float(data->dtype)) throw Error("FEED_INVALID", "data", format("%s into a buffer of %s.", dtype_name(data->dtype), dtype_name(buffer->dtype)));
  check_range(*buffer, offset, static_cast<int64_t>(data->bytes.size() / dtype_size(data->dtype)));
  Engine* engine = entry.engine.get();
  return addon.submit(info.Env(), entry, [engine, buffer, data, offset]() -> MakeResult {
    engine->write(*buffer, *data, offset);
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

// readBuffer(engine, buffer, elementOffset, count) -> Promise<TypedArray>
Napi::Value read_buffer(const Napi::CallbackInfo& info) {
  Addon& addon = Addon::of(info.Env());
  EngineEntry& entry = addon.engine(info[0]);
  auto buffer = addon.buffer(entry, info[1]);
  const int64_t offset = integer(info, 2, "elementOffset", 0, kMaxBytes), count = integer(info, 3, "count", 0, kMaxBytes);
  check_range(*buffer, offset, count);
  Engine* engine = entry.engine.get();
  return addon.submit(info.Env(), entry, [engine, buffer, offset, count]() -> MakeResult {
    auto out = std::make_shared<HostArray>(engine->read(*buffer, offset, count));
    return [out](Napi::Env env) { return to_array(env, *out); };
  });
}

// loadBuffer(engine, buffer, path, byteOffset, byteLength, fileDtype, elementOffset, scales?) -> Promise<void>; with a buffer of scales
// the first one is i8 and loaded whole
Napi::Value load_buffer(const Napi::CallbackInfo& info) {
  Addon& addon = Addon::of(info.Env());
  EngineEntry& entry = addon.engine(info[0]);
  auto buffer = addon.buffer(entry, info[1]);
  FileRange range{text(info, 2, "path"), integer(info, 3, "byteOffset", 0, kMaxBytes), integer(info, 4, "byteLength", 0, kMaxBytes), text(info, 5, "dtype")};
  if (range.dtype != "F32" && range.dtype != "F16" && range.dtype != "BF16") throw Error("TENSOR_DTYPE", "dtype", format("'%s' is not F32, F16 or BF16.", range.dtype.c_str()));
  if (buffer->dtype == DType::I32) throw Error("TENSOR_DTYPE", "buffer", "integers are not loaded from files.");
  const int64_t offset = integer(info, 6, "elementOffset", 0, kMaxBytes);
  const int64_t elements = range.bytes / (range.dtype == "F32" ? 4 : 2);
  check_range(*buffer, offset, elements);
  Engine* engine = entry.engine.get();
  if (buffer->dtype == DType::I8) {
    auto scales = addon.buffer(entry, info[7]);
    if (scales->dtype != DType::F32 || scales->elements < 1 || elements != buffer->elements || elements % scales->elements)
      throw Error("ARGUMENT_INVALID", "scales", "an i8 buffer is loaded whole, with one f32 scale for each of its rows.");
    return addon.submit(info.Env(), entry, [engine, buffer, scales, range]() -> MakeResult {
      engine->load_int8(*buffer, *scales, range);
      return [](Napi::Env env) { return env.Undefined(); };
    });
  }
  return addon.submit(info.Env(), entry, [engine, buffer, range, offset]() -> MakeResult {
    engine->load(*buffer, range, offset);
    return [](Napi::Env env) { return env.Undefined(); };
  });
}

// compile(engine, words, bufferIds) -> { id, arenaBytes }
Napi::Value compile(const Napi::CallbackInfo& info) {
  Addon& addon = Addon::of(info.Env());
  EngineEntry& entry = addon.engine(info[0]);
  const std::vector<int32_t> words = copy_ints(info[1], "words");
  std::vector<std::shared_ptr<Buffer>> buffers;
  for (int32_t id : copy_ints(info[2], "buffers")) buffers.push_back(addon.buffer(entry, Napi::Number::New(info.Env(), id)));
  auto program = entry.engine->compile(words.data(), static_cast<int64_t>(words.size()), std::move(buffers));
  Napi::Object out = Napi::Object::New(info.Env());
  out["arenaBytes"] = Napi::Number::New(info.Env(), static_cast<double>(program->program.arena_bytes));
  const int32_t id = addon.next_id();
  out["id"] = Napi::Number::New(info.Env(), id);
  entry.programs[id] = std::move(program);
  return out;
}

// freeProgram(engine, program)
Napi::Value free_program(const Napi::CallbackInfo& info) {
  Addon& addon = Addon::of(info.Env());
  EngineEntry& entry = addon.engine(info[0]);
  auto program = addon.program(entry, info[1]);
  entry.programs.erase(info[1].As<Napi::Number>().Int32Value());
  entry.engine->submit([program] {});
  return info.Env().Undefined();
}

// run(engine, program, symbols, feeds, repeat, token) -> Promise<{ fetches, steps }>; cancel(engine, token) aborts it
Napi::Value run(const Napi::CallbackInfo& info) {
  Addon& addon = Addon::of(info.Env());
  EngineEntry& entry = addon.engine(info[0]);
  auto program = addon.program(entry, info[1]);
  auto request = std::make_shared<RunRequest>();
  request->symbols = copy_ints(info[2], "symbols");
  if (!info[3].IsArray()) throw Error("FEED_INVALID", "feeds", "an array is expected.");
  const Napi::Array feeds = info[3].As<Napi::Array>();
  for (uint32_t i = 0; i < feeds.Length(); ++i) request->feeds.push_back(copy_array(feeds.Get(i), format("feed %u", i).c_str()));
  request->repeat = static_cast<int32_t>(integer(info, 4, "repeat", 1, 1 << 20));
  request->cancel = std::make_shared<std::atomic<bool>>(false);
  const int32_t token = static_cast<int32_t>(integer(info, 5, "token", 0, INT32_MAX));
  entry.runs[token] = request->cancel;
  Engine* engine = entry.engine.get();
  return addon.submit(info.Env(), entry, [engine, program, request]() -> MakeResult {
    auto result = std::make_shared<RunResult>(engine->run(*program, *request));
    return [result](Napi::Env env) {
      Napi::Object out = Napi::Object::New(env);
      Napi::Array fetches = Napi::Array::New(env, result->fetches.size());
      for (uint32_t i = 0; i < result->fetches.size(); ++i) fetches.Set(i, to_array(env, result->fetches[i]));
      out["fetches"] = fetches;
      out["steps"] = Napi::Number::New(env, result->steps);
      return out;
    };
  });
}

// cancel(engine, token): the run it names rejects with ABORTED, unless it has finished
Napi::Value cancel(const Napi::CallbackInfo& info) {
  EngineEntry& entry = Addon::of(info.Env()).engine(info[0]);
  const auto it = entry.runs.find(static_cast<int32_t>(integer(info, 1, "token", 0, INT32_MAX)));
  if (it != entry.runs.end()) *it->second = true;
  return info.Env().Undefined();
}

// forget(engine, token): the run has settled
Napi::Value forget(const Napi::CallbackInfo& info) {
  EngineEntry& entry = Addon::of(info.Env()).engine(info[0]);
  entry.runs.erase(static_cast<int32_t>(integer(info, 1, "token", 0, INT32_MAX)));
  return info.Env().Undefined();
}

// usage(engine) -> bytes of buffers and arena
Napi::Value usage(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(Addon::of(info.Env()).engine(info[0]).engine->bytes_in_use()));
}

// held() -> bytes of all buffers and arenas of the process, shared weights once
Napi::Value held(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), static_cast<double>(bytes_held())); }

// cpu({ threads?, isa? }) -> { threads, isa, available }
Napi::Value cpu_settings(const Napi::CallbackInfo& info) {
  if (info.Length() > 0 && info[0].IsObject()) {
    const Napi::Object wanted = info[0].As<Napi::Object>();
    if (wanted.Get("threads").IsNumber()) cpu::set_thread_count(wanted.Get("threads").As<Napi::Number>().Int32Value());
    if (wanted.Get("isa").IsString()) {
      const std::string name = wanted.Get("isa").As<Napi::String>().Utf8Value();
      bool found = false;
      for (cpu::Isa isa : cpu::available_isas())
        if (name == cpu::isa_name(isa)) found = cpu::set_isa(isa);
      if (!found) throw Error("ARGUMENT_INVALID", "isa", format("'%s' is not available on this processor.", name.c_str()));
    }
  }
  Napi::Object out = Napi::Object::New(info.Env());
  out["threads"] = Napi::Number::New(info.Env(), cpu::thread_count());
  out["isa"] = Napi::String::New(info.Env(), cpu::isa_name(cpu::active_isa()));
  Napi::Array available = Napi::Array::New(info.Env());
  for (cpu::Isa isa : cpu::available_isas()) available.Set(available.Length(), Napi::String::New(info.Env(), cpu::isa_name(isa)));
  out["available"] = available;
  return out;
}

template <Napi::Value (*F)(const Napi::CallbackInfo&)>
void add(Napi::Env env, Napi::Object& exports, const char* name) {
  exports.Set(name, Napi::Function::New(env, guarded<F>, name));
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Addon(env));
  exports.Set("opTableVersion", Napi::Number::New(env, kOpTableVersion));
  add<open_engine>(env, exports, "openEngine");
  add<probe_cuda>(env, exports, "probeCuda");
  add<cuda_probed>(env, exports, "cudaProbed");
  add<close_engine>(env, exports, "closeEngine");
  add<create_buffer>(env, exports, "createBuffer");
  add<free_buffer>(env, exports, "freeBuffer");
  add<write_buffer>(env, exports, "writeBuffer");
  add<read_buffer>(env, exports, "readBuffer");
  add<load_buffer>(env, exports, "loadBuffer");
  add<compile>(env, exports, "compile");
  add<free_program>(env, exports, "freeProgram");
  add<run>(env, exports, "run");
  add<cancel>(env, exports, "cancel");
  add<forget>(env, exports, "forget");
  add<usage>(env, exports, "usage");
  add<held>(env, exports, "held");
  add<cpu_settings>(env, exports, "cpu");
  return exports;
}

}  // namespace
}  // namespace ht

static Napi::Object Init(Napi::Env env, Napi::Object exports) { return ht::init(env, exports); }
NODE_API_MODULE(hypertune, Init)
