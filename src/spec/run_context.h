// What long-running stages need besides their arguments: threads, and a way to be watched and stopped.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "azimuth/status.h"
#include "base/cancel.h"
#include "base/thread_pool.h"
#include "spec/taps.h"

namespace azimuth {

struct RunContext {
  ThreadPool& pool;
  const Tap* tap = nullptr;
  const std::atomic<bool>* cancel = nullptr;
  std::function<void(double fraction)> progress;  // share of the stage that is done, 0..1
  const Hooks* hooks = nullptr;                   // of the caller; its on_read acts through `tap`

  // The context of a piece of work that is `part` of `total` units, behind `done` others: its progress counts as a
  // share of the whole.
  RunContext share(int64_t done, int64_t part, int64_t total) const {
    RunContext piece = *this;
    if (!progress) return piece;
    piece.progress = [whole = progress, done, part, total](double fraction) {
      whole((static_cast<double>(done) + fraction * static_cast<double>(part)) / static_cast<double>(total));
    };
    return piece;
  }

  // `cancelled` where loops have skipped ranges (base/cancel.h): nobody may see what they left.
  static Status intact() {
    const CancelScope* const scope = CancelScope::current();
    return scope != nullptr && scope->skipped() ? cancelled("stopped on request") : ok_status();
  }

  // Called between layers: passes progress on and answers `cancelled` once the caller asked to stop.
  Status checkpoint(double fraction) const {
    if (progress) progress(fraction);
    if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) return cancelled("stopped on request");
    return intact();
  }
};

}  // namespace azimuth
