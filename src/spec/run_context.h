// What long-running stages need besides their arguments: threads, and a way to be watched and stopped.
#pragma once

#include <atomic>
#include <functional>

#include "azimuth/status.h"
#include "base/thread_pool.h"
#include "spec/taps.h"

namespace azimuth {

struct RunContext {
  ThreadPool& pool;
  const Tap* tap = nullptr;
  const std::atomic<bool>* cancel = nullptr;
  std::function<void(double fraction)> progress;  // share of the stage that is done, 0..1

  // Called between layers: passes progress on and answers `cancelled` once the caller asked to stop.
  Status checkpoint(double fraction) const {
    if (progress) progress(fraction);
    if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) return cancelled("stopped on request");
    return ok_status();
  }
};

}  // namespace azimuth
