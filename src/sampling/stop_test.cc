#include "sampling/stop.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace azimuth::sampling {
namespace {

TEST(StopStrings, HoldBackWhatMayBecomeAStop) {
  StopStringMatcher matcher({"</end>"});
  EXPECT_EQ(matcher.push("a<").text, "a");
  EXPECT_EQ(matcher.push("b</e").text, "<b");
  EXPECT_EQ(matcher.push("x").text, "</ex");
  const auto piece = matcher.push("yes</end>no");
  EXPECT_EQ(piece.text, "yes");
  EXPECT_EQ(piece.match, 0);
}

TEST(StopStrings, AcrossPieces) {
  StopStringMatcher matcher({"\n\n", "Human:"});
  EXPECT_EQ(matcher.push("Hi\n").text, "Hi");
  EXPECT_EQ(matcher.push("Hu").text, "\n");
  EXPECT_EQ(matcher.push("man").text, "");
  const auto piece = matcher.push(": x");
  EXPECT_EQ(piece.text, "");
  EXPECT_EQ(piece.match, 1);
}

TEST(StopStrings, FlushReleasesAnUnfinishedStop) {
  StopStringMatcher matcher({"abc"});
  EXPECT_EQ(matcher.push("xab").text, "x");
  EXPECT_EQ(matcher.flush(), "ab");
  EXPECT_EQ(matcher.flush(), "");
}

TEST(StopStrings, WithoutStopsTextPasses) {
  StopStringMatcher matcher({});
  EXPECT_EQ(matcher.push("abc").text, "abc");
}

struct Outcome {
  std::string text;
  int match = -1;
  bool operator==(const Outcome&) const = default;
};

// The definition, on the whole text: the match that ends first, among those the longest.
Outcome definition(const std::string& text, const std::vector<std::string>& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    Outcome best;
    size_t longest = 0;
    for (size_t i = 0; i < stops.size(); ++i) {
      if (stops[i].size() > longest && text.substr(0, end).ends_with(stops[i])) {
        longest = stops[i].size();
        best = {text.substr(0, end - longest), static_cast<int>(i)};
      }
    }
    if (longest > 0) return best;
  }
  return {text, -1};
}

TEST(StopStrings, AnyCutOfAnyTextGivesTheOutcomeOfTheDefinition) {
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    uint64_t step = 0;
    const auto number = [&](int below) { return static_cast<int>(uniform(seed, 0, step++) * below); };
    const auto word = [&](int longest) {
      std::string text(1 + number(longest), 'a');
      for (char& c : text) c = static_cast<char>('a' + number(2));
      return text;
    };
    std::vector<std::string> stops;
    for (int i = number(4); i > 0; --i) stops.push_back(word(5));
    const std::string text = word(24);
    StopStringMatcher matcher(stops);
    Outcome found;
    for (size_t begin = 0; begin < text.size() && found.match < 0;) {
      const size_t length = 1 + number(4);
      const auto piece = matcher.push(std::string_view(text).substr(begin, length));
      found.text += piece.text;
      if (piece.match) found.match = *piece.match;
      begin += length;
    }
    if (found.match < 0) found.text += matcher.flush();
    ASSERT_EQ(found, definition(text, stops)) << "seed " << seed << " text " << text;
  }
}

SamplingParams with_rules() {
  SamplingParams params;
  params.stop_strings = {"END"};
  params.stop_ids = {7};
  params.max_new_tokens = 5;
  return params;
}

TEST(StopDetector, StopIdEndsWithoutItsTextAndReleasesWhatWasHeld) {
  StopDetector detector(with_rules());
  EXPECT_EQ(detector.push(1, "aE").text, "a");
  const auto step = detector.push(7, "<eos>");
  EXPECT_EQ(step.text, "E");
  EXPECT_EQ(step.reason, FinishReason::stop_id);
  EXPECT_EQ(detector.tokens(), 2);
}

TEST(StopDetector, StopStringWinsOverLength) {
  StopDetector detector(with_rules());
  for (int i = 0; i < 4; ++i) EXPECT_EQ(detector.push(1, ".").reason, FinishReason::none);
  const auto step = detector.push(1, "bEND");
  EXPECT_EQ(step.reason, FinishReason::stop_string);
  EXPECT_EQ(step.stop_string, 0);
  EXPECT_EQ(step.text, "b");
}

TEST(StopDetector, LengthReleasesEverything) {
  StopDetector detector(with_rules());
  for (int i = 0; i < 4; ++i) EXPECT_EQ(detector.push(1, ".").reason, FinishReason::none);
  const auto step = detector.push(1, "EN");
  EXPECT_EQ(step.reason, FinishReason::length);
  EXPECT_EQ(step.text, "EN");
  EXPECT_EQ(to_string(step.reason), "length");
}

TEST(StopDetector, NothingStopsBeforeMinNewTokens) {
  SamplingParams params = with_rules();
  params.min_new_tokens = 2;
  StopDetector detector(params);
  EXPECT_EQ(detector.push(7, "").reason, FinishReason::none);
  EXPECT_EQ(detector.push(1, "END").text, "END");
  EXPECT_EQ(detector.push(7, "").reason, FinishReason::stop_id);
}

}  // namespace
}  // namespace azimuth::sampling
