#include "binding/async.h"

namespace ht {

Napi::Error to_js(Napi::Env env, const std::string& code, const std::string& field, const std::string& message) {
  Napi::Error e = Napi::Error::New(env, message);
  e.Set("code", Napi::String::New(env, code));
  if (!field.empty()) e.Set("field", Napi::String::New(env, field));
  return e;
}

Addon::Addon(Napi::Env env) {
  settle_ = Napi::ThreadSafeFunction::New(env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}), "hypertune", 0, 1);
  settle_.Unref(env);
  // Added after the thread-safe function's own hook, so it runs before that one closes the queue.
  env.AddCleanupHook([](Addon* addon) { addon->shut_down(); }, this);
}

void Addon::shut_down() { engines.clear(); }

void Addon::unknown(const char* kind, int32_t id) const {
  throw Error(id > 0 && id <= last_id_ ? "HANDLE_CLOSED" : "HANDLE_KIND", kind, format("%d is not an open %s.", id, kind));
}

static int32_t handle(const Napi::Value& id, const char* kind) {
  if (!id.IsNumber()) throw Error("HANDLE_KIND", kind, format("a handle of a %s is expected.", kind));
  return id.As<Napi::Number>().Int32Value();
}

EngineEntry& Addon::engine(const Napi::Value& id) {
  const int32_t n = handle(id, "engine");
  const auto it = engines.find(n);
  if (it == engines.end() || it->second->closing) unknown("engine", n);
  return *it->second;
}

std::shared_ptr<Buffer> Addon::buffer(EngineEntry& entry, const Napi::Value& id) {
  const int32_t n = handle(id, "buffer");
  const auto it = entry.buffers.find(n);
  if (it == entry.buffers.end()) unknown("buffer", n);
  return it->second;
}

std::shared_ptr<CompiledProgram> Addon::program(EngineEntry& entry, const Napi::Value& id) {
  const int32_t n = handle(id, "program");
  const auto it = entry.programs.find(n);
  if (it == entry.programs.end()) unknown("program", n);
  return it->second;
}

Napi::Value Addon::submit(Napi::Env env, EngineEntry& entry, Work work) {
  struct Job {
    Napi::Promise::Deferred deferred;
    Work work;
    MakeResult result;
    std::unique_ptr<Error> error;
  };
  auto job = std::make_shared<Job>(Job{Napi::Promise::Deferred::New(env), std::move(work), nullptr, nullptr});
  const Napi::Promise promise = job->deferred.Promise();
  if (pending_++ == 0) settle_.Ref(env);
  const bool accepted = entry.engine->submit([this, job] {
    try {
      job->result = job->work();
    } catch (const Error& e) {
      job->error = std::make_unique<Error>(e);
    } catch (const std::bad_alloc&) {
      job->error = std::make_unique<Error>("MEMORY_LIMIT", "", "Out of memory.");
    } catch (const std::exception& e) {
      job->error = std::make_unique<Error>("INTERNAL", "", e.what());
    }
    job->work = nullptr;
    settle_.NonBlockingCall([this, job](Napi::Env env, Napi::Function) {
      if (env == nullptr) return;
      if (--pending_ == 0) settle_.Unref(env);
      Napi::HandleScope scope(env);
      if (job->error) {
        job->deferred.Reject(to_js(env, *job->error).Value());
        return;
      }
      try {
        job->deferred.Resolve(job->result(env));
      } catch (const Napi::Error& e) {
        job->deferred.Reject(e.Value());
      }
    });
  });
  if (!accepted) {
    if (--pending_ == 0) settle_.Unref(env);
    job->deferred.Reject(to_js(env, "HANDLE_CLOSED", "engine", "The engine is closing.").Value());
  }
  return promise;
}

}  // namespace ht
