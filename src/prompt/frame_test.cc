#include "prompt/frame.h"

#include <gmock/gmock.h>
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

PromptSpec spec_of(PromptFrame frame) {
  PromptSpec spec;
  spec.image = {.expansion = PromptExpansion::per_cell, .placeholder = "<image>"};
  spec.frame = frame;
  return spec;
}

std::string body(const std::string& text, PromptFrame frame) {
  const Result<FramedText> framed = frame_text({text, {}, false}, 1, spec_of(frame), "<s>");
  EXPECT_TRUE(framed.ok());
  return framed->body.text;
}

TEST(FrameText, BosGoesBehindTheImagesThatATextBeginsWith) {
  const PromptFrame frame = PromptFrame::bos_behind_media;
  EXPECT_EQ(body("<image><image>what?", frame), "<image><image><s>what?");
  EXPECT_EQ(body("what? <image>", frame), "<s>what? <image>");
  EXPECT_EQ(body("", frame), "<s>");
  EXPECT_EQ(body("<image> <s>what?", frame), "<image> <s>what?") << "it is there already";
}

TEST(FrameText, LiteralTextMovesWithBos) {
  const PromptText text{"<image>what?", {{7, 12}}, false};
  const Result<FramedText> framed = frame_text(text, 1, spec_of(PromptFrame::bos_behind_media), "<s>");
  ASSERT_TRUE(framed.ok());
  ASSERT_EQ(framed->body.literal.size(), 1u);
  EXPECT_EQ(framed->body.literal[0].begin, 10u);
  EXPECT_EQ(framed->body.literal[0].end, 15u);
}

TEST(FrameText, ATokenizerWithoutBosAddsNone) {
  const Result<FramedText> framed = frame_text({"what?", {}, false}, 0, spec_of(PromptFrame::bos_behind_media), "");
  ASSERT_TRUE(framed.ok());
  EXPECT_EQ(framed->body.text, "what?");
}

TEST(FrameText, AnImageStandsApartInFrontUnlessTheTextHasAPlace) {
  const PromptSpec spec = spec_of(PromptFrame::media_before_text);
  const Result<FramedText> framed = frame_text({"a photo of", {}, false}, 1, spec, "<s>");
  ASSERT_TRUE(framed.ok());
  EXPECT_EQ(framed->lead.text, "<image>");
  EXPECT_EQ(framed->body.text, "a photo of");
  const Result<FramedText> placed = frame_text({"see <image>", {}, false}, 1, spec, "<s>");
  ASSERT_TRUE(placed.ok());
  EXPECT_EQ(placed->lead.text, "");
  const Result<FramedText> blind = frame_text({"hello", {}, false}, 0, spec, "<s>");
  ASSERT_TRUE(blind.ok());
  EXPECT_EQ(blind->lead.text, "");
}

TEST(FrameText, TextOfAUserIsNoPlace) {
  const std::string text = "what is <image>?";
  const Result<FramedText> framed =
      frame_text({text, {{0, text.size()}}, false}, 1, spec_of(PromptFrame::media_before_text), "<s>");
  ASSERT_TRUE(framed.ok());
  EXPECT_EQ(framed->lead.text, "<image>");
}

TEST(FrameText, SeveralImagesWithoutPlacesAreRefused) {
  const Result<FramedText> framed =
      frame_text({"compare", {}, false}, 2, spec_of(PromptFrame::media_before_text), "<s>");
  ASSERT_FALSE(framed.ok());
  EXPECT_THAT(framed.status().message(), testing::HasSubstr("expected one image in front of a prompt, found 2"));
}

}  // namespace
}  // namespace azimuth::prompt
