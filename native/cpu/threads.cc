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

using Clock = std::chrono::steady_clock;
using Nanoseconds = int64_t;

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
  const auto deadline = Clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; ++i) {
      if (ready()) return true;
      pause_cpu();
    }
  } while (Clock::now() < deadline);
  return false;
}

// One parallel() call; lives on its caller's stack while it is listed in the pool or has helpers.
struct Job {
  Job(int64_t tile_count, const TileFn& tile_fn, int helper_limit)
      : tiles(tile_count), fn(tile_fn), max_helpers(helper_limit) {}

  // How many tiles this thread did.
  int64_t work(int worker) {
    int64_t done = 0;
    inside_tile = true;
    for (int64_t t; (t = next.fetch_add(1, std::memory_order_relaxed)) < tiles; ++done) fn(t, worker);
    inside_tile = false;
    return done;
  }
  bool open() const { return joined < max_helpers && next.load(std::memory_order_relaxed) < tiles; }

  const int64_t tiles;
  const TileFn& fn;
  const int max_helpers;
  int joined = 0;                // helpers that ever joined; guarded by the pool's mutex
  std::atomic<int64_t> next{0};  // first unclaimed tile
  std::atomic<int> active{0};    // helpers inside work()
  std::atomic<Nanoseconds> helped{0};  // time that helpers spent on tiles
};

// Whether helpers are worth it. The time that each job saved with them is paid in, or paid out where it would have been faster without:
// a helper that loses its core in the middle of a tile costs a time slice of the scheduler, and waking one is not free. Overdrawn, the
// pool does without them for kAlone times the debt, so beside other busy processes about 1 / kAlone of the time is lost at most; for twice
// as long each time in a row, since a helper that comes late costs its caller the core once more, which nobody measures.
class HelperAccount {
 public:
  bool open(Nanoseconds now) const { return now >= closed_until_.load(std::memory_order_relaxed); }

  void settle(Nanoseconds saved, Nanoseconds now) {
    const Nanoseconds balance = balance_.load(std::memory_order_relaxed) + saved;
    if (balance < 0) {
      const int row = in_a_row_.load(std::memory_order_relaxed);
      closed_until_.store(now + std::min(kLongest, -balance * kAlone << row), std::memory_order_relaxed);
      in_a_row_.store(std::min(row + 1, kMostInARow), std::memory_order_relaxed);
    } else if (saved > 0) {
      in_a_row_.store(0, std::memory_order_relaxed);
    }
    balance_.store(std::clamp<Nanoseconds>(balance, 0, kMost), std::memory_order_relaxed);
  }

 private:
  static constexpr Nanoseconds kAlone = 16;
  static constexpr Nanoseconds kMost = 2'000'000;  // good times are soon forgotten
  static constexpr Nanoseconds kLongest = 200'000'000;
  static constexpr int kMostInARow = 8;
  std::atomic<int> in_a_row_{0};
  std::atomic<Nanoseconds> balance_{kMost}, closed_until_{0};
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
    const Nanoseconds begun = now();
    if (!account_.open(begun)) {
      job.work(0);
      return;
    }
    publish(job);
    const Nanoseconds published = now();
    const int64_t mine = job.work(0);
    const Nanoseconds worked = now();
    withdraw(job);
    wait_for_helpers(job);
    const Nanoseconds ended = now();
    if (mine == 0) return;
    // What a tile takes, as the one of them saw it that kept its core.
    Nanoseconds tile = (worked - published) / mine;
    if (mine < tiles) tile = std::min(tile, job.helped.load(std::memory_order_relaxed) / (tiles - mine));
    account_.settle(tiles * tile - (ended - begun), ended);
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

  static Nanoseconds now() { return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count(); }

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
      const Nanoseconds begun = now();
      job->work(worker);
      job->helped.fetch_add(now() - begun, std::memory_order_relaxed);
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

  HelperAccount account_;
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
