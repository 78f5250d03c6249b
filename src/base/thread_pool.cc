#include "base/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "base/cancel.h"

namespace azimuth {
namespace {

// How long a thread looks for news before it sleeps. Between two loops of a token lie up to some hundred microseconds
// of work on one thread, and a thread that sleeps through them wakes too late for most of the next loop: with 4,000
// pauses instead, decoding a model of 2B parameters was 5 % slower.
constexpr std::chrono::microseconds kSpinTime{300};
constexpr int kPausesPerLook = 32;  // at the clock

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Waits a short while for `ready`; false where it did not come true.
template <typename Ready>
bool spin_for(const Ready& ready) {
  const auto until = std::chrono::steady_clock::now() + kSpinTime;
  do {
    for (int i = 0; i < kPausesPerLook; ++i) {
      if (ready()) return true;
      pause();
    }
  } while (std::chrono::steady_clock::now() < until);
  return false;
}

}  // namespace

// One loop at a time is open. Workers that are awake join it; the caller works too, closes it when no range is left and
// waits only for those that have joined. A worker that the system has not woken yet holds nobody up, so a busy machine
// costs its share and no more.
//
// `state` holds the number of the loop, whether it is open, and how many workers are in it. Workers join by a
// compare-exchange on all three, so they can neither enter a closed loop nor mistake the next one for it.
struct ThreadPool::Impl {
  static constexpr uint64_t kOpen = uint64_t{1} << 16;
  static constexpr uint64_t kJoined = kOpen - 1;
  static constexpr uint64_t kLoop = kOpen << 1;  // counts loops from here up

  std::vector<std::thread> workers;
  std::atomic<uint64_t> state{0};
  std::atomic<int64_t> next{0};
  const std::function<void(int64_t, int64_t)>* body = nullptr;
  int64_t count = 0;
  int64_t grain = 1;
  CancelScope* scope = nullptr;  // of the caller

  std::mutex callers;  // held by the thread whose loop is open
  std::mutex mutex;
  std::condition_variable wake;  // of workers: a loop has opened, or the pool stops
  std::condition_variable done;  // of the caller: the last worker has left
  std::atomic<int> sleepers{0};
  std::atomic<bool> caller_sleeps{false};
  std::atomic<bool> stopping{false};

  void drain() {
    for (;;) {
      const int64_t begin = next.fetch_add(grain, std::memory_order_relaxed);
      if (begin >= count || (scope != nullptr && scope->skips())) return;
      (*body)(begin, std::min(begin + grain, count));
    }
  }

  // Enters the loop that is open, unless it is the loop `seen` or none; updates `seen`.
  bool join(uint64_t& seen) {
    uint64_t now = state.load(std::memory_order_acquire);
    while ((now & kOpen) != 0 && now / kLoop != seen) {
      if (state.compare_exchange_weak(now, now + 1, std::memory_order_acq_rel, std::memory_order_acquire)) {
        seen = now / kLoop;
        return true;
      }
    }
    return false;
  }

  void leave() {
    const uint64_t before = state.fetch_sub(1, std::memory_order_seq_cst);
    if ((before & kJoined) != 1 || (before & kOpen) != 0 || !caller_sleeps.load(std::memory_order_seq_cst)) return;
    std::lock_guard lock(mutex);
    done.notify_one();
  }

  bool has_news(uint64_t seen) const {
    const uint64_t now = state.load(std::memory_order_seq_cst);
    return stopping.load(std::memory_order_relaxed) || ((now & kOpen) != 0 && now / kLoop != seen);
  }

  void work() {
    uint64_t seen = 0;
    while (!stopping.load(std::memory_order_relaxed)) {
      if (join(seen)) {
        drain();
        leave();
      } else if (!spin_for([&] { return has_news(seen); })) {
        std::unique_lock lock(mutex);
        sleepers.fetch_add(1, std::memory_order_seq_cst);
        wake.wait(lock, [&] { return has_news(seen); });
        sleepers.fetch_sub(1, std::memory_order_relaxed);
      }
    }
  }

  void open() {
    next.store(0, std::memory_order_relaxed);
    const uint64_t loop = state.load(std::memory_order_relaxed) / kLoop + 1;
    state.store(loop * kLoop + kOpen, std::memory_order_seq_cst);
    if (sleepers.load(std::memory_order_seq_cst) == 0) return;
    { std::lock_guard lock(mutex); }  // a worker between its last look and its sleep holds the mutex
    wake.notify_all();
  }

  bool all_left() const { return (state.load(std::memory_order_seq_cst) & kJoined) == 0; }

  void close() {
    state.fetch_and(~kOpen, std::memory_order_seq_cst);
    if (spin_for([&] { return all_left(); })) return;
    std::unique_lock lock(mutex);
    caller_sleeps.store(true, std::memory_order_seq_cst);
    done.wait(lock, [&] { return all_left(); });
    caller_sleeps.store(false, std::memory_order_relaxed);
  }
};

ThreadPool::ThreadPool(int threads) : impl_(std::make_unique<Impl>()) {
  if (threads <= 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  for (int i = 1; i < threads; ++i) impl_->workers.emplace_back([this] { impl_->work(); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(impl_->mutex);
    impl_->stopping.store(true);
  }
  impl_->wake.notify_all();
  for (auto& worker : impl_->workers) worker.join();
}

int ThreadPool::threads() const {
  return static_cast<int>(impl_->workers.size()) + 1;
}

void ThreadPool::run(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  if (count <= 0) return;
  const bool alone = impl_->workers.empty() || count <= grain;
  std::unique_lock caller(impl_->callers, std::defer_lock);
  CancelScope* const scope = CancelScope::current();
  if (alone || !caller.try_lock()) {
    for (int64_t begin = 0; begin < count; begin += grain) {
      if (scope != nullptr && scope->skips()) return;
      body(begin, std::min(begin + grain, count));
    }
    return;
  }
  impl_->scope = scope;
  impl_->body = &body;
  impl_->count = count;
  impl_->grain = grain;
  impl_->open();
  impl_->drain();
  impl_->close();
}

}  // namespace azimuth
