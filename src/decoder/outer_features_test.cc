#include "decoder/outer_features.h"

#include <gtest/gtest.h>

namespace azimuth::decoder {
namespace {

constexpr int64_t kHidden = 2;

// Features whose channels are `first`, `first` + 1, ...: `filled` rows of filled tiles, then `empty` ones.
MediaFeatures picture(float first, int64_t filled, int64_t empty) {
  MediaFeatures media;
  media.features = Tensor({filled + empty, kHidden});
  for (int64_t i = 0; i < media.features.elements(); ++i) media.features.data()[i] = first + static_cast<float>(i);
  media.filled_rows = filled;
  return media;
}

// One letter a token: t for text, i for a picture.
Prompt prompt_of(const std::string& tokens) {
  Prompt prompt;
  int images = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    prompt.ids.push_back(static_cast<int32_t>(i));
    Span span;
    span.begin = static_cast<int64_t>(i);
    span.end = span.begin + 1;
    if (tokens[i] == 'i') {
      span.kind = SpanKind::image;
      span.media = images++;
      span.delivery = Delivery::cross;
    }
    prompt.spans.push_back(span);
  }
  return prompt;
}

std::vector<std::pair<int64_t, int64_t>> pairs(const std::vector<kernels::KeyRange>& ranges) {
  std::vector<std::pair<int64_t, int64_t>> out;
  for (const kernels::KeyRange& range : ranges) out.emplace_back(range.begin, range.end);
  return out;
}

OuterFeatures outer_of(const Prompt& prompt, const std::vector<MediaFeatures>& images) {
  std::vector<const MediaFeatures*> pointers;
  for (const MediaFeatures& image : images) pointers.push_back(&image);
  return outer_features(prompt, pointers, kHidden);
}

TEST(OuterFeatures, FilledRowsOfAllPicturesComeFirst) {
  const std::vector<MediaFeatures> images = [] {
    std::vector<MediaFeatures> list;
    list.push_back(picture(0.0f, 1, 1));
    list.push_back(picture(100.0f, 2, 0));
    return list;
  }();
  const OuterFeatures outer = outer_of(prompt_of("iit"), images);
  ASSERT_NE(outer.rows, nullptr);
  const std::vector<float> found(outer.rows->data(), outer.rows->data() + outer.rows->elements());
  EXPECT_EQ(found, (std::vector<float>{0, 1, 100, 101, 102, 103, 2, 3}));
  EXPECT_EQ(outer.first_token, 0);
}

// Tokens in front of all pictures see everything; adjacent pictures are seen together; a later one alone.
TEST(OuterFeatures, TokensSeeTheLastRunOfPictures) {
  std::vector<MediaFeatures> images;
  for (int i = 0; i < 3; ++i) images.push_back(picture(0.0f, 2, 1));
  const OuterFeatures outer = outer_of(prompt_of("tiittit"), images);
  EXPECT_EQ(outer.first_token, 1);
  EXPECT_EQ(pairs(outer.ranges),
            (std::vector<std::pair<int64_t, int64_t>>{{0, 9}, {0, 2}, {0, 4}, {0, 4}, {0, 4}, {4, 6}, {4, 6}}));
}

TEST(OuterFeatures, APromptWithoutPicturesHasNone) {
  const OuterFeatures outer = outer_of(prompt_of("tt"), {});
  EXPECT_EQ(outer.rows, nullptr);
  EXPECT_TRUE(outer.ranges.empty());
}

}  // namespace
}  // namespace azimuth::decoder
