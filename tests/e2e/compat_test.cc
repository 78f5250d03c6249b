// What --compat changes in the positions of a video, on one prompt of Qwen2.5-VL: 15 frames at one frame a second, two
// in a grid frame, 3 ids a second.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/model.h"
#include "engine/policy_choice.h"
#include "engine/prepare.h"

namespace azimuth {
namespace {

using nlohmann::json;

const std::string kCase = std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/trace/qwen2_5_vl_video_seconds_tf5";

// A prompt that ends right behind the video, so that its text does not reach beyond the video's time.
Request video_request(const std::string& compat) {
  std::ifstream file(kCase + "/request.json");
  const json parts = json::parse(file)["conversations"][0][0]["content"];
  Request request;
  request.base_directory = kCase;
  request.prompt = "<|vision_start|><|video_pad|><|vision_end|>";
  request.has_prompt = true;
  request.videos = json::array({parts[0]}).dump();
  request.compat = compat;
  return request;
}

PositionSet positions_under(const std::string& compat, const std::string& policy = "") {
  static const Result<Engine> engine = Engine::load(kCase + "/model", {});
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  const Result<engine::PolicyChoice> choice = engine::choose_policy(engine->impl(), policy);
  EXPECT_TRUE(choice.ok()) << choice.status().message();
  Result<engine::PreparedSample> sample = engine::prepare(engine->impl(), video_request(compat), *choice);
  EXPECT_TRUE(sample.ok()) << sample.status().message();
  return sample->positions.sets[0];
}

// Time of the video's last cell, behind the start marker.
double last_time(const PositionSet& set) {
  return static_cast<double>(set.token(set.tokens() - 2)[0]);
}

double last_text(const PositionSet& set) {
  return static_cast<double>(set.token(set.tokens() - 1)[0]);
}

TEST(Compat, TextGoesOnBehindTheVideosTime) {
  const PositionSet set = positions_under("");
  EXPECT_EQ(last_time(set), 1.0 + 7 * 2 * 3);  // eight grid frames, two seconds each
  EXPECT_EQ(last_text(set), last_time(set) + 1.0);
  EXPECT_EQ(set.next_decode, last_text(set) + 1.0);
}

TEST(Compat, Tf5GoesOnBehindRowsAndColumnsAndDecodesThere) {
  const PositionSet set = positions_under("tf5");
  EXPECT_EQ(last_time(set), 43.0);
  EXPECT_LT(last_text(set), last_time(set));
  EXPECT_EQ(set.next_decode, last_text(set) + 1.0);
}

TEST(Compat, ThePolicyOfTf5DecodesBehindTheLargestId) {
  const PositionSet set = positions_under("", "mrope25:tokens_per_second=3,compat=tf5");
  EXPECT_LT(last_text(set), last_time(set));
  EXPECT_EQ(set.next_decode, last_time(set) + 1.0);
}

TEST(Compat, Tf4CountsSecondsByTheRateThatWasAskedFor) {
  const PositionSet set = positions_under("tf4");
  EXPECT_EQ(last_time(set), 1.0 + 7 * 1 * 3);  // two frames a second, whatever the video says
  EXPECT_EQ(last_text(set), last_time(set) + 1.0);
}

}  // namespace
}  // namespace azimuth
