// Promises whose work runs on an engine's thread. A job returns what makes the JavaScript result, on the main thread.
#pragma once
#include <napi.h>

#include <functional>
#include <map>
#include <memory>

#include "core/error.h"
#include "engine/engine.h"

namespace ht {

using MakeResult = std::function<Napi::Value(Napi::Env)>;
using Work = std::function<MakeResult()>;

Napi::Error to_js(Napi::Env env, const std::string& code, const std::string& field, const std::string& message);
inline Napi::Error to_js(Napi::Env env, const Error& e) { return to_js(env, e.code, e.field, e.what()); }

struct EngineEntry {
  std::unique_ptr<Engine> engine;
  std::map<int32_t, std::shared_ptr<Buffer>> buffers;
  std::map<int32_t, std::shared_ptr<CompiledProgram>> programs;
  std::map<int32_t, CancelFlag> runs;
  int64_t reported = 0;  // bytes of buffers that V8 knows of, so that it collects handles in time
  bool closing = false;
  ~EngineEntry() {
    if (engine) engine->close();
  }
};

// One per environment (main thread or worker thread); nothing of it is static.
class Addon {
 public:
  explicit Addon(Napi::Env env);
  static Addon& of(Napi::Env env) { return *env.GetInstanceData<Addon>(); }

  Napi::Value submit(Napi::Env env, EngineEntry& entry, Work work);
  void shut_down();  // joins every engine; pending promises stay unsettled, their environment is going

  EngineEntry& engine(const Napi::Value& id);
  std::shared_ptr<Buffer> buffer(EngineEntry& entry, const Napi::Value& id);
  std::shared_ptr<CompiledProgram> program(EngineEntry& entry, const Napi::Value& id);
  int32_t next_id() { return ++last_id_; }

  std::map<int32_t, std::unique_ptr<EngineEntry>> engines;

 private:
  [[noreturn]] void unknown(const char* kind, int32_t id) const;
  Napi::ThreadSafeFunction settle_;
  int64_t pending_ = 0;
  int32_t last_id_ = 0;
};

}  // namespace ht
