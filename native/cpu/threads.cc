#include "cpu/threads.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "cpu/cpu_limit.h"
#include "cpu/workspace.h"

namespace ht::cpu {
namespace {

constexpr auto kSpin = std::chrono::microseconds(20);

thread_local bool inside_tile = false;

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// True as soon as `ready` holds, false after kSpin.
template <class Ready>
bool spin_until(const Ready& ready) {
  const auto deadline = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      pause_cpu();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return false;
}

// One parallel() call; lives on its caller's stack while it is listed in the pool or has helpers.
struct Job {
  Job(int64_t tile_count, const TileFn& tile_fn, int helper_limit)
      : tiles(tile_count), fn(tile_fn), max_helpers(helper_limit) {}

  void work(int worker) {
    inside_tile = true;
    for (int64_t t; (t = next.fetch_add(1, std::memory_order_relaxed)) < tiles;) fn(t, worker);
    inside_tile = false;
  }
  bool open() const { return joined < max_helpers && next.load(std::memory_order_relaxed) < tiles; }

  const int64_t tiles;
  const TileFn& fn;
  const int max_helpers;
  int joined = 0;                // helpers that ever joined; guarded by the pool's mutex
  std::atomic<int64_t> next{0};  // first unclaimed tile
  std::atomic<int> active{0};    // helpers inside work()
};

class Pool {
 public:
  // Never destroyed: its detached threads may be waiting in it while the process exits.
  static Pool& instance() {
    static Pool* const pool = new Pool;
    return *pool;
  }

  int limit() const { return limit_.load(std::memory_order_relaxed); }
  void set_limit(int count) { limit_ = std::clamp(count, 1, kMaxThreads); }

  void run(int64_t tiles, const TileFn& fn) {
    const int helpers = static_cast<int>(std::min<int64_t>(limit() - 1, tiles - 1));
    Job job(tiles, fn, helpers);
    publish(job);
    job.work(0);
    withdraw(job);
    wait_for_helpers(job);
  }

 private:
  Pool() {
    int count = cpu_limit();
    if (const char* wanted = std::getenv("HYPERTUNE_THREADS")) {
      const long number = std::strtol(wanted, nullptr, 10);
      if (number > 0) count = static_cast<int>(std::min<long>(count, number));
    }
    limit_ = std::min(count, kMaxThreads);
    stay_loaded();
  }

  // Node unloads an addon when the last worker thread that required it ends; the code under our threads must stay.
  static void stay_loaded() {
    Dl_info info;
    if (dladdr(reinterpret_cast<void*>(&Pool::instance), &info) && info.dli_fname) {
      dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
    }
  }

  void publish(Job& job) {
    int sleeping;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      start_threads(job.max_helpers);
      jobs_.push_back(&job);
      published_.fetch_add(1);
      sleeping = sleeping_;
    }
    if (sleeping <= job.max_helpers) {
      if (sleeping > 0) wake_.notify_all();
    } else {
      for (int i = 0; i < job.max_helpers; ++i) wake_.notify_one();
    }
  }

  void withdraw(Job& job) {
    std::lock_guard<std::mutex> lock(mutex_);
    jobs_.erase(std::find(jobs_.begin(), jobs_.end(), &job));
  }

  void wait_for_helpers(Job& job) {
    const auto done = [&] { return job.active.load() == 0; };
    if (spin_until(done)) return;
    waiting_callers_.fetch_add(1);
    {
      std::unique_lock<std::mutex> lock(mutex_);
      finished_.wait(lock, done);
    }
    waiting_callers_.fetch_sub(1);
  }

  void start_threads(int wanted) {  // mutex held
    if (threads_ >= wanted) return;
    // Signals are the host's business: none may be delivered to a pool thread.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      for (; threads_ < wanted; ++threads_) std::thread([this] { serve(); }).detach();
    } catch (const std::system_error&) {
      // The system grants no more threads: those that exist, and the caller, do the work.
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void serve() {
    pthread_setname_np(pthread_self(), "hypertune-cpu");
    uint64_t seen = 0;
    for (;;) {
      spin_until([&] { return published_.load() != seen; });
      Job* job = nullptr;
      int worker = 0;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        for (;;) {
          seen = published_.load();
          job = open_job();
          if (job) break;
          ++sleeping_;
          wake_.wait(lock, [&] { return published_.load() != seen; });
          --sleeping_;
        }
        worker = ++job->joined;
        job->active.fetch_add(1);
      }
      job->work(worker);
      // After the last helper's decrement the caller may be gone with its job: only the pool is touched from here on.
      if (job->active.fetch_sub(1) == 1 && waiting_callers_.load() > 0) {
        std::lock_guard<std::mutex> lock(mutex_);
        finished_.notify_all();
      }
    }
  }

  Job* open_job() {  // mutex held
    for (Job* job : jobs_) {
      if (job->open()) return job;
    }
    return nullptr;
  }

  std::mutex mutex_;
  std::condition_variable wake_, finished_;
  std::vector<Job*> jobs_;
  std::atomic<uint64_t> published_{0};  // jobs ever listed
  std::atomic<int> waiting_callers_{0};
  std::atomic<int> limit_{1};
  int sleeping_ = 0;
  int threads_ = 0;
};

}  // namespace

void parallel(int64_t tiles, const TileFn& fn) {
  if (tiles <= 0) return;
  if (inside_tile || tiles == 1 || Pool::instance().limit() == 1) {
    for (int64_t t = 0; t < tiles; ++t) fn(t, 0);
    return;
  }
  Pool::instance().run(tiles, fn);
}

int thread_count() { return Pool::instance().limit(); }

void set_thread_count(int count) { Pool::instance().set_limit(count); }

void* thread_scratch(size_t bytes) {
  struct Scratch {
    void* data = nullptr;
    size_t bytes = 0;
    ~Scratch() { aligned_free64(data); }
  };
  thread_local Scratch scratch;
  if (scratch.bytes < bytes) {
    aligned_free64(scratch.data);
    scratch.bytes = 0;
    scratch.data = aligned_alloc64(bytes);
    if (!scratch.data) throw std::bad_alloc();
    scratch.bytes = bytes;
  }
  return scratch.data;
}

}  // namespace ht::cpu
