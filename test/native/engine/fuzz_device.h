// What fuzzing runs programs on: an engine with the buffers of every program of the corpus.
#pragma once
#include <future>
#include <memory>
#include <vector>

#include "core/error.h"
#include "draft.h"
#include "engine/engine.h"
#include "inputs.h"
#include "mutate.h"

namespace ht::fuzz {

// Buffers, arenas and what kernels do with them stay small: larger programs are refused.
constexpr uint64_t kMemoryLimit = 320 << 10;

// The buffers are there twice: of exactly the size the program needs, and with room.
class Device {
 public:
  Device(HtBackend* backend, const std::vector<Draft>& programs) : engine_(backend, kMemoryLimit) {
    for (const Draft& draft : programs)
      for (int64_t room : {0, 40}) {
        specs_.emplace_back();
        buffers_.emplace_back();
        for (const BufferSpec& s : draft.buffers) {
          specs_.back().push_back({s.dtype, s.elements + room, s.frozen});
          buffers_.back().push_back(engine_.create_buffer(s.dtype, s.elements + room, s.frozen));
        }
      }
  }

  // Runs on the engine's thread, as the binding does, and hands on what is thrown.
  template <class F>
  void job(F f) {
    std::promise<void> done;
    std::unique_ptr<Error> error;  // copied: the library's own way of carrying exceptions looks like a race to ThreadSanitizer
    engine_.submit([&] {
      try {
        f();
      } catch (const Error& e) {
        error = std::make_unique<Error>(e);
      } catch (const std::exception& e) {
        error = std::make_unique<Error>("INTERNAL", "", e.what());
      }
      done.set_value();
    });
    done.get_future().get();
    if (error) throw *error;
  }

  std::shared_ptr<CompiledProgram> compile(const Words& words, size_t set) {
    return engine_.compile(words.data(), static_cast<int64_t>(words.size()), buffers_[set]);
  }

  RunResult run(CompiledProgram& program, size_t set, RunRequest& request, double rewrite, Random& random) {
    RunResult result;
    job([&] {
      for (size_t b = 0; b < buffers_[set].size(); ++b)
        if (random.chance(rewrite)) engine_.write(*buffers_[set][b], draw_buffer(program.program, request.symbols, static_cast<int32_t>(b), specs_[set][b], random), 0);
      result = engine_.run(program, request);
    });
    return result;
  }

 private:
  Engine engine_;
  std::vector<std::vector<BufferSpec>> specs_;
  std::vector<std::vector<std::shared_ptr<Buffer>>> buffers_;
};

// Whether buffers can be drawn for these symbols, which may have been spoiled.
inline bool within_capacity(const Program& p, const std::vector<int32_t>& symbols) {
  if (symbols.size() != p.capacity.size()) return false;
  for (size_t i = 0; i < symbols.size(); ++i)
    if (symbols[i] < 0 || symbols[i] > p.capacity[i]) return false;
  return true;
}

// Every fetch holds steps times its bound elements.
inline bool sizes_agree(const Program& p, const RunRequest& request, const RunResult& result) {
  if (result.fetches.size() != p.fetches.size() || result.steps < 1 || result.steps > request.repeat) return false;
  for (size_t i = 0; i < p.fetches.size(); ++i) {
    const HostArray& got = result.fetches[i];
    if (got.bytes.size() != static_cast<size_t>(p.values[p.fetches[i]].elements(request.symbols.data()) * result.steps) * dtype_size(got.dtype)) return false;
  }
  return true;
}

}  // namespace ht::fuzz
