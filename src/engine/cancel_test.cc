// Calls that are not a session's stop when they are asked to, and leave nothing behind.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>

#include "azimuth/attend.h"
#include "azimuth/quantize.h"
#include "azimuth/trace.h"

namespace azimuth {
namespace {

const std::string kModel = std::string(AZIMUTH_SOURCE_DIR) + "/models/azimuth-tiny";
const std::atomic<bool> kStopped{true};

Engine load() {
  Result<Engine> engine = Engine::load(kModel);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return std::move(*engine);
}

TEST(Cancel, LoadingStopsBehindATensor) {
  EngineOptions options;
  options.cancel = &kStopped;
  EXPECT_EQ(Engine::load(kModel, options).status().code(), StatusCode::cancelled);
}

TEST(Cancel, AFlagThatIsSetBehindLoadingStopsNothing) {
  std::atomic<bool> flag{false};
  EngineOptions options;
  options.cancel = &flag;
  const Result<Engine> engine = Engine::load(kModel, options);
  ASSERT_TRUE(engine.ok());
  flag = true;
  Request request;
  request.prompt = "hello";
  request.has_prompt = true;
  GenerateOptions two;
  two.max_new_tokens = 2;
  EXPECT_TRUE(Session(*engine).generate(request, two).ok());
}

TEST(Cancel, TracesAndAttentionStop) {
  const Engine engine = load();
  TraceOptions trace_options;
  trace_options.cancel = &kStopped;
  EXPECT_EQ(trace(engine, R"({"prompts":["hello"]})", trace_options).status().code(), StatusCode::cancelled);
  Request request;
  request.prompt = "hello";
  request.has_prompt = true;
  AttendOptions attend_options;
  attend_options.cancel = &kStopped;
  EXPECT_EQ(attend(engine, request, attend_options).status().code(), StatusCode::cancelled);
}

TEST(Cancel, QuantisingLeavesNothingBehind) {
  const auto directory = std::filesystem::temp_directory_path() / "azimuth_cancel_test";
  std::filesystem::remove_all(directory);
  QuantizeOptions options;
  options.cancel = &kStopped;
  EXPECT_EQ(quantize_checkpoint(kModel, directory, options).status().code(), StatusCode::cancelled);
  EXPECT_FALSE(std::filesystem::exists(directory));
}

}  // namespace
}  // namespace azimuth
