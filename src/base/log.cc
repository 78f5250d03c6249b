#include "azimuth/log.h"

#include <memory>
#include <mutex>
#include <utility>

namespace azimuth {
namespace {

struct Sink {
  std::mutex mutex;
  std::shared_ptr<const LogCallback> callback;
};

// Never destroyed: threads may log while the process ends.
Sink& sink() {
  static Sink* const instance = new Sink;
  return *instance;
}

std::shared_ptr<const LogCallback> current() {
  std::lock_guard lock(sink().mutex);
  return sink().callback;
}

}  // namespace

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warning: return "warning";
    case LogLevel::error: return "error";
  }
  return "unknown";
}

void set_log_callback(LogCallback callback) {
  auto next = callback ? std::make_shared<const LogCallback>(std::move(callback)) : nullptr;
  std::lock_guard lock(sink().mutex);
  sink().callback = std::move(next);
}

bool log_enabled() {
  return current() != nullptr;
}

void log(LogLevel level, std::string_view message) {
  // The lock is released before the call, so that a callback may log or replace itself.
  if (const auto callback = current()) (*callback)(level, message);
}

}  // namespace azimuth
