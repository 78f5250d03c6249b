#include "prompt/number_words.h"

#include <gtest/gtest.h>

namespace azimuth::prompt {
namespace {

TEST(NumberWords, EqualNum2words) {
  EXPECT_EQ(number_words(0), "zero");
  EXPECT_EQ(number_words(13), "thirteen");
  EXPECT_EQ(number_words(20), "twenty");
  EXPECT_EQ(number_words(64), "sixty-four");
  EXPECT_EQ(number_words(100), "one hundred");
  EXPECT_EQ(number_words(101), "one hundred and one");
  EXPECT_EQ(number_words(1001), "one thousand and one");
  EXPECT_EQ(number_words(1100), "one thousand, one hundred");
  EXPECT_EQ(number_words(12345), "twelve thousand, three hundred and forty-five");
  EXPECT_EQ(number_words(999999), "nine hundred and ninety-nine thousand, nine hundred and ninety-nine");
}

}  // namespace
}  // namespace azimuth::prompt
