// Where messages for people go. Core code never prints: it calls log(), and the program decides what to do with it.
#pragma once

#include <functional>
#include <string_view>

namespace azimuth {

enum class LogLevel { debug, info, warning, error };
std::string_view to_string(LogLevel level);

// Called from any thread, possibly from several at once. Must not throw.
using LogCallback = std::function<void(LogLevel level, std::string_view message)>;

// Sets the process-wide callback; an empty one (the default) drops every message. Calls that have begun may still reach
// the earlier callback.
void set_log_callback(LogCallback callback);

// True where a callback is set: callers skip building costly messages otherwise.
bool log_enabled();
void log(LogLevel level, std::string_view message);

}  // namespace azimuth
