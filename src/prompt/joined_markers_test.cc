#include "prompt/joined_markers.h"

#include <gtest/gtest.h>

namespace azimuth::prompt {
namespace {

std::string joined(std::string text, bool space = true) {
  ExpandedText expanded;
  expanded.text = std::move(text);
  join_markers("<f>", space, expanded);
  return expanded.text;
}

TEST(JoinedMarkers, PairsBecomeOne) {
  EXPECT_EQ(joined("a<f><i><f><f><i><f>"), "a<f><i><f><i><f>");
  EXPECT_EQ(joined("<f><f><f>"), "<f><f>");  // as str.replace: pairs from the left
}

TEST(JoinedMarkers, TextBehindGetsASpace) {
  EXPECT_EQ(joined("<f>word"), "<f> word");
  EXPECT_EQ(joined("<f><f>word"), "<f> word");
  EXPECT_EQ(joined("<f>é"), "<f> é");
  EXPECT_EQ(joined("<f>"), "<f>");
}

TEST(JoinedMarkers, NoSpaceBeforeWhiteSpaceTagsOrUnderTf4) {
  EXPECT_EQ(joined("<f> a<f>\nb<f>\u00a0c<f>\u3000d"), "<f> a<f>\nb<f>\u00a0c<f>\u3000d");
  EXPECT_EQ(joined("<f><b>"), "<f><b>");
  EXPECT_EQ(joined("<f>word<f><f>", false), "<f>word<f>");
}

TEST(JoinedMarkers, LiteralTextIsMovedAndKept) {
  ExpandedText expanded;
  expanded.text = "<f><f>x<f><f>y";
  expanded.literal = {{6, 14}};  // "x<f><f>y" is a user's
  join_markers("<f>", true, expanded);
  EXPECT_EQ(expanded.text, "<f> x<f><f>y");
  ASSERT_EQ(expanded.literal.size(), 1u);
  EXPECT_EQ(expanded.literal[0].begin, 4u);
  EXPECT_EQ(expanded.literal[0].end, 12u);
}

}  // namespace
}  // namespace azimuth::prompt
