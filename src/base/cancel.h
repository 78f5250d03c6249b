// Stopping in the middle of data-parallel work.
//
// Stages look at their cancel flag between layers, and a layer of a large picture takes seconds. While a CancelScope of
// the calling thread lives, the loops that this thread has run by a ThreadPool skip the rest of their ranges once the
// flag is set: what they should have computed is garbage then, and the stage has to answer `cancelled` and drop it. It
// learns so from skipped(), which stays true even where the flag is taken back meanwhile.
#pragma once

#include <atomic>

namespace azimuth {

class CancelScope {
 public:
  // `flag`: nullptr leaves the scope around this one in force. Scopes of one thread end in the reverse order.
  explicit CancelScope(const std::atomic<bool>* flag);
  ~CancelScope();
  CancelScope(const CancelScope&) = delete;
  CancelScope& operator=(const CancelScope&) = delete;

  // True once a loop has skipped ranges.
  bool skipped() const { return skipped_.load(std::memory_order_relaxed); }

  // The innermost scope of this thread; nullptr without one.
  static CancelScope* current();
  // Whether the innermost scope is to stop, or has skipped ranges; false without one.
  static bool requested();
  // Asked by a loop in front of every range: true where it is to be skipped.
  bool skips() {
    if (!flag_->load(std::memory_order_relaxed)) return false;
    skipped_.store(true, std::memory_order_relaxed);
    return true;
  }

 private:
  const std::atomic<bool>* flag_;
  CancelScope* outer_;
  std::atomic<bool> skipped_{false};
};

}  // namespace azimuth
