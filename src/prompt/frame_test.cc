#include "prompt/frame.h"

#include <gtest/gtest.h>

namespace azimuth::prompt {
namespace {

PromptSpec paligemma() {
  PromptSpec spec;
  spec.image = {.expansion = PromptExpansion::per_cell, .placeholder = "<image>"};
  spec.frame = PromptFrame::media_bos_text_newline;
  return spec;
}

PromptText framed(const PromptText& text, size_t images) {
  Result<FramedText> result = frame_text(text, images, paligemma(), "<bos>");
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result->lead.text, "");
  return result->body;
}

TEST(PaliGemmaFrame, BosStandsBehindTheLastImage) {
  EXPECT_EQ(framed({"<image>caption en", {}, false}, 1).text, "<image><bos>caption en\n");
  EXPECT_EQ(framed({"<image>one <image>two", {}, false}, 2).text, "<image>one <image><bos>two\n");
}

TEST(PaliGemmaFrame, ImagesWithoutAPlaceComeFirst) {
  EXPECT_EQ(framed({"caption en", {}, false}, 2).text, "<image><image><bos>caption en\n");
  EXPECT_EQ(framed({"caption en", {}, false}, 0).text, "<bos>caption en\n");
  EXPECT_EQ(framed({"", {}, false}, 1).text, "<image><bos>\n");
}

TEST(PaliGemmaFrame, WhatAUserWroteIsNoPlaceholder) {
  const PromptText out = framed({"say <image>", {{4, 11}}, true}, 1);
  EXPECT_EQ(out.text, "<image><bos>say <image>\n");
  ASSERT_EQ(out.literal.size(), 1u);
  EXPECT_EQ(out.literal[0], (text::ByteRange{16, 23}));
}

}  // namespace
}  // namespace azimuth::prompt
