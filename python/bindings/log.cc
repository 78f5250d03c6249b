#include "azimuth/log.h"

#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "bindings.h"
#include "log_lines.h"

namespace azimuth::python {
namespace {

struct Line {
  LogLevel level;
  std::string text;
};

// Never destroyed: the engine may still speak when the process ends.
struct Lines {
  std::mutex mutex;
  std::vector<Line> lines;
};
Lines& waiting() {
  static auto* const lines = new Lines;
  return *lines;
}

int python_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return 10;
    case LogLevel::info: return 20;
    case LogLevel::warning: return 30;
    case LogLevel::error: break;
  }
  return 40;
}

}  // namespace

void deliver_log_lines() {
  std::vector<Line> lines;
  {
    const std::lock_guard lock(waiting().mutex);
    lines.swap(waiting().lines);
  }
  if (lines.empty()) return;
  const nb::object logger = nb::module_::import_("logging").attr("getLogger")("azimuth");
  for (const Line& line : lines) logger.attr("log")(python_level(line.level), "%s", nb::str(line.text.c_str()));
}

void bind_log(nb::module_&) {
  set_log_callback([](LogLevel level, std::string_view message) {
    const std::lock_guard lock(waiting().mutex);
    waiting().lines.push_back({level, std::string(message)});
  });
}

}  // namespace azimuth::python
