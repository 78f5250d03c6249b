#include "azimuth/log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace azimuth {
namespace {

TEST(Log, ReachesTheCallbackWhileOneIsSet) {
  std::vector<std::string> seen;
  log(LogLevel::error, "dropped");
  EXPECT_FALSE(log_enabled());
  set_log_callback([&](LogLevel level, std::string_view message) {
    seen.push_back(std::string(to_string(level)) + " " + std::string(message));
  });
  EXPECT_TRUE(log_enabled());
  log(LogLevel::warning, "one");
  set_log_callback(nullptr);
  log(LogLevel::warning, "two");
  EXPECT_EQ(seen, (std::vector<std::string>{"warning one"}));
}

TEST(Log, CallbackMayReplaceItself) {
  int calls = 0;
  set_log_callback([&](LogLevel, std::string_view) {
    ++calls;
    set_log_callback(nullptr);
  });
  log(LogLevel::info, "a");
  log(LogLevel::info, "b");
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace azimuth
