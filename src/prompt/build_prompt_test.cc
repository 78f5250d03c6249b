// Compares with transformers' Qwen3VLProcessor (tests/oracle/prompt_goldens.py) and checks what a prompt promises.
#include "prompt/build_prompt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "prompt/messages.h"
#include "text/chat_template.h"

namespace azimuth::prompt {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;
using Ids = std::vector<int32_t>;

const std::string kGoldens = AZIMUTH_SOURCE_DIR "/tests/golden/";

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

PromptSpec qwen_spec() {
  PromptSpec spec;
  spec.image = {.expansion = PromptExpansion::per_cell, .placeholder = "<|image_pad|>"};
  spec.video = {.expansion = PromptExpansion::timestamped_frames,
                .placeholder = "<|video_pad|>",
                .start = "<|vision_start|>",
                .end = "<|vision_end|>"};
  spec.adds_bos_to_chat = true;
  return spec;
}

Grid grid_of(const ordered_json& row) {
  return {row[0], row[1], row[2]};
}

MediaInputs media_of(const ordered_json& entry) {
  MediaInputs media;
  for (const ordered_json& row : entry["image_grids"]) media.images.push_back({.grid = grid_of(row)});
  for (size_t i = 0; i < entry["video_grids"].size(); ++i) {
    const ordered_json& metadata = entry["metadata"][i];
    VideoInput video;
    video.grid = grid_of(entry["video_grids"][i]);
    video.temporal_patch_size = entry["temporal_patch_size"];
    if (!metadata["fps"].is_null()) video.metadata.fps = metadata["fps"].get<double>();
    video.metadata.total_num_frames = metadata["total_num_frames"];
    video.metadata.frames_indices = metadata["frames_indices"].get<std::vector<int64_t>>();
    media.videos.push_back(video);
  }
  return media;
}

class BuildPrompt : public testing::Test {
 protected:
  BuildPrompt() : spec_(qwen_spec()), goldens_(ordered_json::parse(read(kGoldens + "prompt/qwen3_vl.json"))) {
    auto tokenizer = text::Tokenizer::create(read(kGoldens + "text/qwen2/tokenizer.json"),
                                             read(kGoldens + "text/qwen2/tokenizer_config.json"));
    EXPECT_TRUE(tokenizer.ok());
    tokenizer_ = std::move(tokenizer).value();
    auto chat = text::ChatTemplate::create(read(kGoldens + "text/vision_template.jinja"), tokenizer_->named_tokens(),
                                           tokenizer_->reserved_strings());
    EXPECT_TRUE(chat.ok());
    chat_ = std::move(chat).value();
  }

  Result<Prompt> build(const std::string& text, const MediaInputs& media, const BuildOptions& options = {}) const {
    return build_prompt({text, {}, false}, media, spec_, *tokenizer_, options);
  }

  int32_t id(const char* token) const { return tokenizer_->token_to_id(token).value_or(-1); }

  // Spans cover all tokens once, and are what their ids say.
  void expect_consistent(const Prompt& prompt, const MediaInputs& media) const {
    int64_t at = 0;
    std::vector<int64_t> image_features(media.images.size(), 0);
    std::vector<int64_t> video_features(media.videos.size(), 0);
    for (const Span& span : prompt.spans) {
      EXPECT_EQ(span.begin, at);
      EXPECT_LT(span.begin, span.end);
      at = span.end;
      for (int64_t token = span.begin; token < span.end; ++token) {
        const int32_t found = prompt.ids[static_cast<size_t>(token)];
        EXPECT_EQ(found == id("<|image_pad|>"), span.kind == SpanKind::image);
        EXPECT_EQ(found == id("<|video_pad|>"), span.kind == SpanKind::video);
      }
      if (span.kind == SpanKind::text) continue;
      EXPECT_EQ(span.tokens(), span.grid.cells());
      EXPECT_EQ(span.tokens(), span.features);
      auto& features = span.kind == SpanKind::image ? image_features : video_features;
      features.at(static_cast<size_t>(span.media)) += span.features;
    }
    EXPECT_EQ(at, static_cast<int64_t>(prompt.ids.size()));
    for (size_t i = 0; i < media.images.size(); ++i) EXPECT_EQ(image_features[i], media.images[i].grid.cells());
    for (size_t i = 0; i < media.videos.size(); ++i) EXPECT_EQ(video_features[i], media.videos[i].grid.cells());
  }

  PromptSpec spec_;
  ordered_json goldens_;
  std::optional<text::Tokenizer> tokenizer_;
  std::optional<text::ChatTemplate> chat_;
};

TEST_F(BuildPrompt, ChatsBecomeTheIdsOfTransformers) {
  ASSERT_GE(goldens_["chats"].size(), 10u);
  for (const ordered_json& entry : goldens_["chats"]) {
    SCOPED_TRACE(entry["name"].get<std::string>());
    const auto messages = parse_messages(entry["messages"].dump(), spec_);
    ASSERT_TRUE(messages.ok()) << messages.status().message();
    const auto rendered = chat_->render_json(messages->template_json);
    ASSERT_TRUE(rendered.ok()) << rendered.status().message();
    EXPECT_EQ(rendered->text, entry["prompt"].get<std::string>());
    const MediaInputs media = media_of(entry);
    EXPECT_EQ(messages->media.size(), media.images.size() + media.videos.size());
    const auto prompt = build_prompt({rendered->text, rendered->literal, true}, media, spec_, *tokenizer_);
    ASSERT_TRUE(prompt.ok()) << prompt.status().message();
    EXPECT_EQ(prompt->ids, entry["input_ids"].get<Ids>());
    expect_consistent(*prompt, media);
  }
}

TEST_F(BuildPrompt, RawPromptsBecomeTheIdsOfTransformers) {
  ASSERT_GE(goldens_["raw"].size(), 3u);
  for (const ordered_json& entry : goldens_["raw"]) {
    SCOPED_TRACE(entry["name"].get<std::string>());
    const MediaInputs media = media_of(entry);
    const auto prompt = build(entry["prompt"], media);
    ASSERT_TRUE(prompt.ok()) << prompt.status().message();
    EXPECT_EQ(prompt->ids, entry["input_ids"].get<Ids>());
    expect_consistent(*prompt, media);
  }
}

TEST_F(BuildPrompt, AdjacentImagesAreSpansOfTheirOwn) {
  const MediaInputs media{{{1, 2, 3}, {1, 1, 1}}, {}};
  const auto prompt = build("<|image_pad|><|image_pad|>", media);
  ASSERT_TRUE(prompt.ok()) << prompt.status().message();
  ASSERT_EQ(prompt->spans.size(), 2u);
  EXPECT_EQ(prompt->spans[0].grid, (Grid{1, 2, 3}));
  EXPECT_EQ(prompt->spans[0].media, 0);
  EXPECT_EQ(prompt->spans[1].begin, 6);
  EXPECT_EQ(prompt->spans[1].media, 1);
  expect_consistent(*prompt, media);
}

TEST_F(BuildPrompt, ViewsOfAPanoramaAreMarked) {
  const MediaInputs media{{{.grid = {1, 1, 1}},
                           {.grid = {1, 2, 2}, .view = 0, .views = 3},
                           {.grid = {1, 1, 2}, .view = 1, .views = 3},
                           {.grid = {1, 1, 2}, .view = 2, .views = 3}},
                          {}};
  const auto prompt = build("<|image_pad|>a<|image_pad|>b<|image_pad|>c<|image_pad|>", media);
  ASSERT_TRUE(prompt.ok()) << prompt.status().message();
  std::vector<Span> images;
  for (const Span& span : prompt->spans) {
    if (span.kind == SpanKind::image) images.push_back(span);
  }
  ASSERT_EQ(images.size(), 4u);
  EXPECT_EQ(images[0].views, 1);
  EXPECT_FALSE(images[0].global_view);
  for (int view = 0; view < 3; ++view) {
    const Span& span = images[static_cast<size_t>(view) + 1];
    EXPECT_EQ(span.media, view + 1);
    EXPECT_EQ(span.view, view);
    EXPECT_EQ(span.views, 3);
    EXPECT_EQ(span.global_view, view == 0);
  }
  expect_consistent(*prompt, media);
}

VideoInput clip(Grid grid, std::optional<double> fps, std::vector<int64_t> frames, int64_t total) {
  VideoInput video;
  video.grid = grid;
  video.metadata.fps = fps;
  video.metadata.frames_indices = std::move(frames);
  video.metadata.total_num_frames = total;
  return video;
}

TEST_F(BuildPrompt, VideoSpansKnowTheirTimes) {
  const MediaInputs media{{}, {clip({2, 1, 2}, 4.0, {0, 2, 4, 6}, 8)}};
  const auto prompt = build("<|video_pad|>", media);
  ASSERT_TRUE(prompt.ok()) << prompt.status().message();
  EXPECT_THAT(prompt->text,
              HasSubstr("<0.2 seconds><|vision_start|><|video_pad|><|video_pad|><|vision_end|><1.2 seconds>"));
  std::vector<Span> frames;
  for (const Span& span : prompt->spans) {
    if (span.kind == SpanKind::video) frames.push_back(span);
  }
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_DOUBLE_EQ(frames[0].start_seconds, 0.25);
  EXPECT_DOUBLE_EQ(frames[1].start_seconds, 1.25);
  EXPECT_DOUBLE_EQ(frames[1].step_seconds, 1.0);  // two frames per group, two frames kept per second
  EXPECT_EQ(frames[1].tile, 0);                   // a frame is no tile
  EXPECT_EQ(frames[1].tiles, 1);
}

TEST_F(BuildPrompt, VideosOfOneSpanKnowTheirTimes) {
  spec_.video.expansion = PromptExpansion::per_cell;
  const MediaInputs media{{}, {clip({2, 1, 2}, 4.0, {4, 6, 8, 10}, 16)}};
  const auto prompt = build("<|vision_start|><|video_pad|><|vision_end|>", media);
  ASSERT_TRUE(prompt.ok()) << prompt.status().message();
  ASSERT_EQ(prompt->spans.size(), 3u);
  EXPECT_EQ(prompt->spans[1].grid, (Grid{2, 1, 2}));
  EXPECT_DOUBLE_EQ(prompt->spans[1].start_seconds, 1.0);
  EXPECT_DOUBLE_EQ(prompt->spans[1].step_seconds, 2.0);
}

TEST_F(BuildPrompt, ClockedFramesStandBehindWholeSeconds) {
  spec_.video.expansion = PromptExpansion::clocked_frames;
  MediaInputs media{{}, {clip({2, 1, 1}, 2.0, {7, 131}, 140)}};
  media.videos[0].temporal_patch_size = 1;
  const auto prompt = build("<|video_pad|>", media);
  ASSERT_TRUE(prompt.ok()) << prompt.status().message();
  EXPECT_EQ(prompt->text,
            "00:03 <|vision_start|><|video_pad|><|vision_end|> 01:05 <|vision_start|><|video_pad|><|vision_end|>");
  EXPECT_EQ(prompt->spans.size(), 5u);
}

TEST_F(BuildPrompt, RefusesPlaceholdersOfOtherMedia) {
  spec_.refused = {"<|object_ref_start|>"};
  EXPECT_THAT(build("a<|object_ref_start|>", {}).status().message(), HasSubstr("leave it out"));
  EXPECT_TRUE(build_prompt({"a<|object_ref_start|>", {{1, 21}}, true}, {}, spec_, *tokenizer_).ok()) << "it is text";
}

TEST_F(BuildPrompt, Release4ReplacesTheOuterMarkers) {
  const MediaInputs media{{}, {clip({1, 1, 1}, 2.0, {0, 1}, 2)}};
  const std::string text = "a<|vision_start|><|video_pad|><|vision_end|>b";
  EXPECT_EQ(build(text, media)->text,
            "a<|vision_start|><0.2 seconds><|vision_start|><|video_pad|><|vision_end|><|vision_end|>b");
  const BuildOptions release4{.replace_video_markers = true};
  EXPECT_EQ(build(text, media, release4)->text, "a<0.2 seconds><|vision_start|><|video_pad|><|vision_end|>b");
  EXPECT_EQ(build("<|video_pad|>", media, release4)->text, "<0.2 seconds><|vision_start|><|video_pad|><|vision_end|>");
}

TEST_F(BuildPrompt, PlaceholdersOfTheUserAreNoPlaceholders) {
  const std::string text = "<|image_pad|> and <|image_pad|>";
  const MediaInputs media{{{1, 1, 2}}, {}};
  const auto prompt = build_prompt({text, {{0, 13}}, true}, media, spec_, *tokenizer_);
  ASSERT_TRUE(prompt.ok()) << prompt.status().message();
  EXPECT_EQ(std::ranges::count(prompt->ids, id("<|image_pad|>")), 2);
  EXPECT_EQ(prompt->spans.size(), 2u);
  EXPECT_EQ(prompt->text, "<|image_pad|> and <|image_pad|><|image_pad|>");
  expect_consistent(*prompt, media);
}

TEST_F(BuildPrompt, LiteralTextBehindAnExpansionStaysLiteral) {
  const std::string text = "<|image_pad|> x <|im_end|>";
  const auto prompt = build_prompt({text, {{16, 26}}, true}, {{{1, 2, 2}}, {}}, spec_, *tokenizer_);
  ASSERT_TRUE(prompt.ok()) << prompt.status().message();
  EXPECT_EQ(std::ranges::count(prompt->ids, id("<|im_end|>")), 0);
  EXPECT_EQ(std::ranges::count(prompt->ids, id("<|image_pad|>")), 4);
}

TEST_F(BuildPrompt, ClosedRegionsAreThoseOfTheFamily) {
  using Regions = std::vector<std::pair<int64_t, int64_t>>;
  const MediaInputs media{{{1, 1, 2}, {1, 1, 1}}, {}};
  const std::string text = "x<|image_pad|>y<|image_pad|>";
  EXPECT_EQ(build(text, media)->closed_regions, Regions{});
  spec_.closed_regions = ClosedRegions::media_spans;
  EXPECT_EQ(build(text, media)->closed_regions, (Regions{{1, 3}, {4, 5}}));
  spec_.closed_regions = ClosedRegions::whole_prompt;
  EXPECT_EQ(build(text, media)->closed_regions, (Regions{{0, 5}}));
}

TEST_F(BuildPrompt, CountsThatDifferAreNamedBoth) {
  const MediaInputs one{{{1, 1, 1}}, {}};
  EXPECT_THAT(build("no picture", one).status().message(), HasSubstr("0 image placeholders"));
  const auto two = build("<|image_pad|><|image_pad|>", one);
  EXPECT_THAT(two.status().message(), HasSubstr("has 2 image placeholders (<|image_pad|>), but 1 image was given"));
  const auto video = build("<|video_pad|>", {});
  EXPECT_THAT(video.status().message(), HasSubstr("has 1 video placeholder (<|video_pad|>), but 0 videos were given"));
}

TEST_F(BuildPrompt, TextModelsTakeNoImages) {
  spec_ = {};
  const auto prompt = build("hello", {{{1, 1, 1}}, {}});
  EXPECT_EQ(prompt.status().code(), StatusCode::unsupported);
  EXPECT_THAT(prompt.status().message(), HasSubstr("takes no images"));
  EXPECT_TRUE(build("hello", {}).ok());
}

TEST_F(BuildPrompt, TheContextIsNamedWithThePrompt) {
  const MediaInputs media{{{1, 4, 5}}, {}};
  EXPECT_TRUE(build("<|image_pad|>", media, {.context_tokens = 20}).ok());
  const auto images = build("<|image_pad|>", media, {.context_tokens = 19});
  EXPECT_EQ(images.status().code(), StatusCode::resource_exhausted);
  EXPECT_THAT(images.status().message(), testing::AllOf(HasSubstr("20"), HasSubstr("19")));
  const auto text = build("<|image_pad|>!", media, {.context_tokens = 20});
  EXPECT_THAT(text.status().message(), testing::AllOf(HasSubstr("21 tokens"), HasSubstr("holds 20")));
}

TEST_F(BuildPrompt, ImpossibleGridsAreErrors) {
  for (const Grid grid :
       {Grid{0, 1, 1}, Grid{1, -1, 1}, Grid{1, int64_t{1} << 40, int64_t{1} << 40}, Grid{1, 1 << 20, 1 << 20}}) {
    EXPECT_FALSE(build("<|image_pad|>", {{{.grid = grid}}, {}}).ok()) << grid.h;
  }
  const MediaInputs many{std::vector<ImageInput>(4, {.grid = {1, 1 << 10, 1 << 11}}), {}};
  EXPECT_EQ(build("<|image_pad|><|image_pad|><|image_pad|><|image_pad|>", many).status().code(),
            StatusCode::resource_exhausted);
}

TEST_F(BuildPrompt, VideosWithoutTimesAreErrors) {
  EXPECT_FALSE(build("<|video_pad|>", {{}, {clip({1, 1, 1}, 0.0, {0}, 1)}}).ok());
  EXPECT_FALSE(build("<|video_pad|>", {{}, {clip({1, 1, 1}, 2.0, {}, 1)}}).ok());
  const auto few = build("<|video_pad|>", {{}, {clip({3, 1, 1}, 2.0, {0, 1, 2, 3}, 4)}});
  EXPECT_THAT(few.status().message(), testing::AllOf(HasSubstr("3 frame groups"), HasSubstr("4 frames")));
}

TEST_F(BuildPrompt, AForeignTokenizerIsAnError) {
  spec_.image.placeholder = "<image>";
  EXPECT_THAT(build("<image>", {{{1, 1, 1}}, {}}).status().message(), HasSubstr("token <image>"));
}

TEST(BosOfAChat, IsAddedOnceOrNotAtAll) {
  const auto tokenizer = text::Tokenizer::create(read(kGoldens + "text/llama/tokenizer.json"),
                                                 read(kGoldens + "text/llama/tokenizer_config.json"));
  ASSERT_TRUE(tokenizer.ok());
  const int32_t bos = *tokenizer->token_to_id("<s>");
  const auto count = [&](const std::string& text, bool from_template, bool adds_bos) {
    PromptSpec spec;
    spec.adds_bos_to_chat = adds_bos;
    const auto prompt = build_prompt({text, {}, from_template}, {}, spec, *tokenizer);
    EXPECT_TRUE(prompt.ok());
    return std::ranges::count(prompt->ids, bos);
  };
  EXPECT_EQ(count("<s>hi", true, true), 1);
  EXPECT_EQ(count("hi", true, true), 1);
  EXPECT_EQ(count("hi", true, false), 0);
  EXPECT_EQ(count("<s>hi", true, false), 1);
  EXPECT_EQ(count("hi", false, false), 1);
}

}  // namespace
}  // namespace azimuth::prompt
