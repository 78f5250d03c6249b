// Spans of prompts that came as ids.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "prompt/build_prompt.h"

namespace azimuth::prompt {
namespace {

using testing::HasSubstr;

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

const std::string kModel = AZIMUTH_SOURCE_DIR "/models/azimuth-tiny/";

// Images and videos of two placeholders, or of one for both.
class PromptOfIds : public ::testing::Test {
 protected:
  PromptOfIds()
      : tokenizer(std::move(
            *text::Tokenizer::create(read(kModel + "tokenizer.json"), read(kModel + "tokenizer_config.json")))) {
    spec.image = {.expansion = PromptExpansion::per_cell, .placeholder = "<|image_pad|>"};
    spec.video = {.expansion = PromptExpansion::per_cell, .placeholder = "<|video_pad|>"};
    image = *tokenizer.token_to_id("<|image_pad|>");
    video = *tokenizer.token_to_id("<|video_pad|>");
  }

  static VideoInput video_of(Grid grid) {
    VideoInput input;
    input.grid = grid;
    input.metadata.frames_indices.resize(static_cast<size_t>(2 * grid.t));
    return input;
  }

  Result<Prompt> place(std::vector<int32_t> ids, const MediaInputs& media, const BuildOptions& options = {}) {
    return prompt_of_ids(std::move(ids), media, spec, tokenizer, options);
  }

  text::Tokenizer tokenizer;
  PromptSpec spec;
  int32_t image = -1;
  int32_t video = -1;
};

TEST_F(PromptOfIds, EachMediumGetsItsRun) {
  MediaInputs media;
  media.images = {{.grid = {1, 1, 2}}, {.grid = {1, 2, 1}}};
  media.videos = {video_of({2, 1, 1})};
  const Result<Prompt> prompt = place({5, image, image, video, video, 6, image, image}, media);
  ASSERT_TRUE(prompt.ok()) << prompt.status().message();
  ASSERT_EQ(prompt->spans.size(), 5U);
  EXPECT_EQ(prompt->spans[1].begin, 1);
  EXPECT_EQ(prompt->spans[1].end, 3);
  EXPECT_EQ(prompt->spans[2].kind, SpanKind::video);
  EXPECT_EQ(prompt->spans[4].media, 1);
  EXPECT_EQ(prompt->spans[4].grid, (Grid{1, 2, 1}));
}

TEST_F(PromptOfIds, NeighboursShareARun) {
  MediaInputs media;
  media.images = {{.grid = {1, 1, 2}}, {.grid = {1, 1, 1}}};
  const Result<Prompt> prompt = place({image, image, image}, media);
  ASSERT_TRUE(prompt.ok()) << prompt.status().message();
  ASSERT_EQ(prompt->spans.size(), 2U);
  EXPECT_EQ(prompt->spans[1].begin, 2);
}

TEST_F(PromptOfIds, OneTokenForBothKindsGoesByTheOrderOfTheMedia) {
  spec.video.placeholder = spec.image.placeholder;
  MediaInputs media;
  media.images = {{.grid = {1, 1, 2}}};
  media.videos = {video_of({1, 1, 1})};
  media.order = {SpanKind::video, SpanKind::image};
  const Result<Prompt> prompt = place({image, 7, image, image}, media);
  ASSERT_TRUE(prompt.ok()) << prompt.status().message();
  EXPECT_EQ(prompt->spans[0].kind, SpanKind::video);
  EXPECT_EQ(prompt->spans[2].kind, SpanKind::image);
}

TEST_F(PromptOfIds, SecondsBetweenGridFramesMayBeGiven) {
  MediaInputs media;
  media.videos = {video_of({2, 1, 1})};
  media.videos[0].seconds_per_grid = 0.25;
  const Result<Prompt> prompt = place({video, video}, media);
  ASSERT_TRUE(prompt.ok()) << prompt.status().message();
  EXPECT_EQ(prompt->spans[0].step_seconds, 0.25);
}

TEST_F(PromptOfIds, CountsThatDifferAreNamedBoth) {
  MediaInputs media;
  media.images = {{.grid = {1, 1, 2}}, {.grid = {1, 1, 3}}};
  EXPECT_THAT(place({image, image, image, image}, media).status().message(),
              HasSubstr("the ids hold 4 image placeholders (<|image_pad|>), but 2 images with 5 features together"));
  EXPECT_THAT(place({image, 5, image, image, image, image}, media).status().message(),
              HasSubstr("image 0 has 2 features, but the ids hold 1 placeholder in a row from token 0"));
  EXPECT_THAT(place({video}, {}).status().message(), HasSubstr("1 video placeholder"));
  spec.image = {};
  EXPECT_THAT(place({5}, media).status().message(), HasSubstr("takes no images"));
}

TEST_F(PromptOfIds, IdsAreChecked) {
  EXPECT_THAT(place({}, {}).status().message(), HasSubstr("at least one"));
  EXPECT_THAT(place({5, -1}, {}).status().message(), HasSubstr("found -1 at token 1"));
  EXPECT_TRUE(place({5, -1}, {}, {.unknown_ids = true}).ok());
  EXPECT_THAT(place({5, 6, 7}, {}, {.context_tokens = 2}).status().message(), HasSubstr("3 tokens"));
  spec.refused = {"<|vision_start|>"};
  EXPECT_THAT(place({*tokenizer.token_to_id("<|vision_start|>")}, {}).status().message(), HasSubstr("does not read"));
  const Result<Prompt> final_rows = place({image, 5}, {}, {.rows_are_final = true});
  ASSERT_TRUE(final_rows.ok());
  EXPECT_EQ(final_rows->spans.size(), 1U) << "a placeholder is a token like any other";
}

}  // namespace
}  // namespace azimuth::prompt
