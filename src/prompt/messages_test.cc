#include "prompt/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace azimuth::prompt {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;

PromptSpec vision() {
  PromptSpec spec;
  spec.image = {.expansion = PromptExpansion::per_cell, .placeholder = "<image>"};
  spec.video = {.expansion = PromptExpansion::per_cell, .placeholder = "<video>"};
  return spec;
}

Result<Messages> parse_parts(const std::string& parts, const MessageLimits& limits = {}) {
  return parse_messages(R"([{"role":"user","content":[)" + parts + "]}]", vision(), limits);
}

TEST(Messages, EveryFormOfMediaIsRead) {
  const auto messages = parse_parts(
      R"({"type":"text","text":"a"}, {"type":"image","image":"a.png"}, {"type":"image_url","image_url":{"url":"b.png"}},
         {"type":"image_url","image_url":"c.png"}, {"type":"image","url":"data:image/png;base64,AAAA"},
         {"type":"video","video":"d.mp4"}, {"type":"video","video":["1.png","2.png"],"fps":2},
         {"type":"video_frames","frames":["3.png","4.png"],"metadata":{"total_num_frames":90,"fps":29.97,
          "frames_indices":[0,80],"width":64,"height":32,"duration":3.0}})");
  ASSERT_TRUE(messages.ok()) << messages.status().message();
  ASSERT_EQ(messages->media.size(), 7u);
  EXPECT_EQ(messages->media[0].sources, std::vector<std::string>{"a.png"});
  EXPECT_EQ(messages->media[1].sources, std::vector<std::string>{"b.png"});
  EXPECT_EQ(messages->media[2].sources, std::vector<std::string>{"c.png"});
  EXPECT_EQ(messages->media[3].sources, std::vector<std::string>{"data:image/png;base64,AAAA"});
  EXPECT_EQ(messages->media[4].kind, MediaKind::video_file);
  EXPECT_EQ(messages->media[5].kind, MediaKind::video_frames);
  EXPECT_FALSE(messages->media[5].sampled);
  EXPECT_EQ(messages->media[5].metadata.fps, 2.0);
  EXPECT_EQ(messages->media[5].metadata.total_num_frames, 2);
  const MediaReference& frames = messages->media[6];
  EXPECT_TRUE(frames.sampled);
  EXPECT_EQ(frames.metadata.fps, 29.97);
  EXPECT_EQ(frames.metadata.total_num_frames, 90);
  EXPECT_EQ(frames.metadata.frames_indices, (std::vector<int64_t>{0, 80}));
  EXPECT_EQ(frames.metadata.width, 64);
  EXPECT_EQ(frames.metadata.duration, 3.0);
}

TEST(Messages, TemplatesSeeOneFormOfEachPart) {
  const auto messages = parse_parts(
      R"({"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}, {"type":"video_frames","frames":["3.png"]},
         {"type":"text","text":"x"})");
  ASSERT_TRUE(messages.ok()) << messages.status().message();
  const auto list = ordered_json::parse(messages->template_json);
  EXPECT_EQ(list[0]["content"].dump(),
            R"([{"type":"image","image":"data:"},{"type":"video","video":""},{"type":"text","text":"x"}])");
}

TEST(Messages, PanoramaIsOneImagePartForEachOfItsViews) {
  const auto messages = parse_parts(
      R"({"type":"panorama","panorama":"a.jpg","hfov":90}, {"type":"text","text":"x"},
         {"type":"panorama","url":"data:image/png;base64,AAAA","hfov":120,"overlap":0.5,"pitch":-10,"tile_size":32,
          "global_size":64}, {"type":"image","image":"b.png"})");
  ASSERT_TRUE(messages.ok()) << messages.status().message();
  ASSERT_EQ(messages->media.size(), 3u);
  const MediaReference& first = messages->media[0];
  EXPECT_EQ(first.kind, MediaKind::panorama);
  EXPECT_FALSE(first.is_video());
  EXPECT_EQ(first.sources, std::vector<std::string>{"a.jpg"});
  EXPECT_EQ(first.views, 5);
  EXPECT_EQ(first.panorama.overlap, 0.0);
  EXPECT_EQ(first.panorama.tile_size, 672);
  const MediaReference& second = messages->media[1];
  EXPECT_EQ(second.views, 7);
  EXPECT_EQ(second.panorama.hfov, 120.0);
  EXPECT_EQ(second.panorama.overlap, 0.5);
  EXPECT_EQ(second.panorama.pitch, -10.0);
  EXPECT_EQ(second.panorama.tile_size, 32);
  EXPECT_EQ(second.panorama.global_size, 64);
  EXPECT_EQ(messages->media[2].views, 1);
  std::string seen = "[";
  for (int i = 0; i < 5; ++i) seen += R"({"type":"image","image":"a.jpg"},)";
  seen += R"({"type":"text","text":"x"},)";
  for (int i = 0; i < 7; ++i) seen += R"({"type":"image","image":"data:"},)";
  seen += R"({"type":"image","image":"b.png"}])";
  EXPECT_EQ(ordered_json::parse(messages->template_json)[0]["content"].dump(), seen);
}

TEST(Messages, KeepsTheOrderOfKeysAndDropsEmptyOnes) {
  const auto messages =
      parse_messages(R"([{"role":"assistant","z":1,"a":{"y":2,"b":3},"content":null,"reasoning":"hm"}])", vision());
  ASSERT_TRUE(messages.ok()) << messages.status().message();
  EXPECT_EQ(
      messages->template_json,
      R"([{"role":"assistant","z":1,"a":{"y":2,"b":3},"reasoning":"hm","thinking":"hm","reasoning_content":"hm"}])");
}

TEST(Messages, NoMessagesIsAnError) {
  EXPECT_THAT(parse_messages("[]", vision()).status().message(), HasSubstr("at least one message"));
  EXPECT_THAT(parse_messages("", vision()).status().message(), HasSubstr("empty"));
}

TEST(Messages, ErrorsNameTheirPlace) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"a":1})", "expected a JSON list of messages, got object"},
      {R"([3])", "message 0: expected an object, got 3"},
      {R"([{"content":"x"}])", "message 0: expected a string role, got null"},
      {R"([{"role":"user","content":5}])", "message 0: expected content that is a string or a list of parts, got 5"},
      {R"([{"role":"user","content":"x"},{"role":"user","content":[{"type":"audio"}]}])", "message 1, part 0"},
      {R"([{"role":"user","content":[{"type":"text"}]}])", "expected a string text, got null"},
      {R"([{"role":"user","content":[{"type":"image"}]}])", "expected a file or data: URL under 'image', got none"},
      {R"([{"role":"user","content":[{"type":"image","image":7}]}])", "expected a file or data: URL as image, got 7"},
      {R"([{"role":"user","content":[{"type":"video","video":[]}]}])", "one or more frames"},
      {R"([{"role":"user","content":[{"type":"video","video":["a"],"fps":0}]}])", "a number above 0 as fps, got 0"},
      {R"([{"role":"user","content":[{"type":"video_frames","frames":["a"],"metadata":{"frames_indices":[1,2]}}]}])",
       "each of 1 frames, got 2"},
      {R"([{"role":"user","content":[{"type":"video_frames","frames":["a"],"metadata":{"frames_indices":[-1]}}]}])",
       "frame numbers in frames_indices, got -1"},
      {R"([{"role":"user","content":[{"type":"panorama"}]}])", "a file or data: URL under 'panorama', got none"},
      {R"([{"role":"user","content":[{"type":"panorama","panorama":"a","hfov":"x"}]}])", "a number as hfov, got \"x\""},
      {R"([{"role":"user","content":[{"type":"panorama","panorama":"a","hfov":180}]}])",
       "message 0, part 0: hfov expected more than 0 and less than 180 degrees, found 180"},
      {R"([{"role":"user","content":[{"type":"panorama","panorama":"a","overlap":1}]}])", "overlap expected a part"},
      {R"([{"role":"user","content":[{"type":"panorama","panorama":"a","hfov":1}]}])", "at most 64 tiles"},
      {R"([{"role":"user","content":[{"type":"panorama","panorama":"a","tile_size":0}]}])", "above 0 as tile_size"},
  };
  for (const auto& [json, message] : cases) {
    const auto messages = parse_messages(json, vision());
    ASSERT_FALSE(messages.ok()) << json;
    EXPECT_THAT(messages.status().message(), HasSubstr(message));
  }
}

TEST(Messages, DamagedTextIsAnError) {
  for (const std::string& json : {std::string("["), std::string("[{]"), std::string("[{\"role\":\"\xff\"}]"),
                                  std::string(100000, '['), std::string("[{\"role\":NaN}]")}) {
    EXPECT_FALSE(parse_messages(json, vision()).ok()) << json.substr(0, 20);
  }
}

TEST(Messages, TextModelsRefuseImages) {
  const auto messages =
      parse_messages(R"([{"role":"user","content":[{"type":"image","image":"a.png"}]}])", PromptSpec());
  EXPECT_EQ(messages.status().code(), StatusCode::unsupported);
  EXPECT_THAT(messages.status().message(), HasSubstr("this model takes no images"));
}

TEST(Messages, LimitsAreKept) {
  const std::string image = R"({"type":"image","image":"a"})";
  EXPECT_TRUE(parse_parts(image + "," + image, {.media = 2}).ok());
  EXPECT_EQ(parse_parts(image + "," + image, {.media = 1}).status().code(), StatusCode::resource_exhausted);
  EXPECT_EQ(parse_parts(image + "," + image, {.parts = 1}).status().code(), StatusCode::resource_exhausted);
  EXPECT_EQ(parse_parts(R"({"type":"video","video":["a","b"]})", {.frames = 1}).status().code(),
            StatusCode::resource_exhausted);
  const std::string panorama = R"({"type":"panorama","panorama":"a"})";
  EXPECT_TRUE(parse_parts(panorama + "," + image, {.media = 10}).ok());
  EXPECT_EQ(parse_parts(panorama + "," + image, {.media = 9}).status().code(), StatusCode::resource_exhausted);
  EXPECT_EQ(parse_parts(image, {.bytes = 10}).status().code(), StatusCode::resource_exhausted);
  EXPECT_EQ(parse_messages(R"([{"role":"a"},{"role":"b"}])", vision(), {.messages = 1}).status().code(),
            StatusCode::resource_exhausted);
  std::string wide = R"([{"role":"user")";
  for (int i = 0; i < 5000; ++i) wide += ",\"k" + std::to_string(i) + "\":0";
  EXPECT_EQ(parse_messages(wide + "}]", vision()).status().code(), StatusCode::resource_exhausted);
}

TEST(Messages, VideosOfRawPrompts) {
  const auto videos =
      parse_videos(R"([{"type":"video","video":["a.png"],"fps":1},{"type":"video_frames","frames":["b.png"]}])");
  ASSERT_TRUE(videos.ok()) << videos.status().message();
  ASSERT_EQ(videos->size(), 2u);
  EXPECT_TRUE((*videos)[1].sampled);
  EXPECT_TRUE(parse_videos("[]").ok());
  EXPECT_THAT(parse_videos(R"([{"type":"image","image":"a"}])").status().message(), HasSubstr("video 0"));
}

TEST(Messages, PanoramasOfRawPrompts) {
  const auto panoramas = parse_panoramas(R"([{"type":"panorama","panorama":"a.png","hfov":60}])");
  ASSERT_TRUE(panoramas.ok()) << panoramas.status().message();
  ASSERT_EQ(panoramas->size(), 1u);
  EXPECT_EQ((*panoramas)[0].views, 7);
  EXPECT_THAT(parse_panoramas(R"([{"type":"video","video":["a"]}])").status().message(),
              HasSubstr("panorama 0: expected a part of type panorama, got"));
}

}  // namespace
}  // namespace azimuth::prompt
