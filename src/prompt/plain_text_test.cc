#include "prompt/plain_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace azimuth::prompt {
namespace {

PromptSpec spec_of(PromptFrame frame) {
  PromptSpec spec;
  spec.image = {.expansion = PromptExpansion::per_cell, .placeholder = "<image>"};
  spec.frame = frame;
  return spec;
}

const char kQuestion[] =
    R"([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "say <image>"}]}])";
const char kBetween[] = R"([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "one "},
                             {"type": "image"}, {"type": "text", "text": "two"}]}])";

TEST(PlainText, MediaStandWhereTheyAreWritten) {
  const Result<PromptText> text = plain_text(kQuestion, spec_of(PromptFrame::as_written));
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(text->text, "<image>say <image>");
  EXPECT_FALSE(text->from_template);
  ASSERT_EQ(text->literal.size(), 1u);
  EXPECT_EQ(text->literal[0], (text::ByteRange{7, 18}));
}

TEST(PlainText, AProcessorThatPutsMediaInFrontDoesItItself) {
  EXPECT_EQ(plain_text(kQuestion, spec_of(PromptFrame::media_bos_text_newline))->text, "say <image>");
  EXPECT_EQ(plain_text(kBetween, spec_of(PromptFrame::media_bos_text_newline))->text, "<image>one <image>two");
  EXPECT_EQ(plain_text(R"([{"role": "user", "content": "caption en"}])", spec_of(PromptFrame::media_before_text))->text,
            "caption en");
}

TEST(PlainText, ConversationsNeedATemplate) {
  for (const char* messages : {R"([{"role": "system", "content": "a"}, {"role": "user", "content": "b"}])",
                               R"([{"role": "assistant", "content": "a"}])"}) {
    const Result<PromptText> text = plain_text(messages, spec_of(PromptFrame::as_written));
    EXPECT_EQ(text.status().code(), StatusCode::unsupported);
    EXPECT_THAT(text.status().message(), testing::HasSubstr("no chat template"));
  }
}

}  // namespace
}  // namespace azimuth::prompt
