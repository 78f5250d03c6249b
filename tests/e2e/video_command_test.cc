// The command's --video, --fps and /video.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "support/run_command.h"

namespace azimuth {
namespace {

using nlohmann::json;
using testing_support::Outcome;
using testing_support::quoted;
using testing_support::run;

const std::string kRoot = AZIMUTH_SOURCE_DIR;
const std::string kModel = quoted(kRoot + "/models/azimuth-tiny");
const std::string kClip = kRoot + "/tests/golden/video/h264_variable_rate.mp4";  // 20 frames in 1.5 seconds

class VideoCommand : public testing::Test {
 protected:
  void SetUp() override {
    const Outcome outcome = positions("");
    if (outcome.errors.find("FFmpeg's librar") != std::string::npos) GTEST_SKIP() << outcome.errors;
  }

  static Outcome positions(const std::string& options) {
    return run("positions " + kModel + " --prompt Hi --json --video " + quoted(kClip) + " " + options);
  }

  // Spans of frame pairs, of which Qwen3-VL writes one for every two frames.
  static int64_t frame_pairs(const Outcome& outcome) {
    EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
    const json report = json::parse(outcome.output, nullptr, false);
    if (report.is_discarded()) return -1;
    return std::ranges::count_if(report["spans"], [](const json& span) { return span["kind"] == "video"; });
  }
};

TEST_F(VideoCommand, RunAnswers) {
  const Outcome outcome =
      run("run " + kModel + " 'What moves?' --video " + quoted(kClip) + " --temperature 0 --max-tokens 4 --verbose");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_GT(outcome.output.size(), 1u);
  EXPECT_NE(outcome.errors.find("vision"), std::string::npos) << outcome.errors;
}

TEST_F(VideoCommand, FramesPerSecondAreAskedFor) {
  EXPECT_EQ(frame_pairs(positions("")), 2);          // two per second, but at least four
  EXPECT_EQ(frame_pairs(positions("--fps 8")), 6);   // 12 of 1.5 seconds
  EXPECT_EQ(frame_pairs(positions("--fps 60")), 8);  // at most the 16 of the checkpoint
}

TEST_F(VideoCommand, ChatTakesAVideo) {
  const Outcome outcome = run("chat " + kModel + " --max-tokens 4 --temperature 0 -v",
                              "/video " + kClip + "\nWhat moves?\nAnd now?\n/video nowhere.mp4\n/quit\n");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_NE(outcome.output.find("1 video for the next question"), std::string::npos) << outcome.output;
  EXPECT_NE(outcome.errors.find("tokens new"), std::string::npos) << outcome.errors;
  EXPECT_NE(outcome.errors.find("nowhere.mp4"), std::string::npos);
}

TEST_F(VideoCommand, WhatIsNoVideoIsOneSentence) {
  for (const std::string& file :
       {kRoot + "/README.md", kRoot + "/nowhere.mp4", std::string("http://example.org/a.mp4")}) {
    const Outcome outcome = run("run " + kModel + " Hi --video " + quoted(file));
    EXPECT_EQ(outcome.exit_code, 2) << file;
    EXPECT_NE(outcome.errors.find(file), std::string::npos) << outcome.errors;
    EXPECT_EQ(std::count(outcome.errors.begin(), outcome.errors.end(), '\n'), 1) << outcome.errors;
  }
}

}  // namespace
}  // namespace azimuth
