#include "prompt/number_words.h"

#include <array>
#include <string_view>

namespace azimuth::prompt {
namespace {

constexpr std::array<std::string_view, 20> kSmall = {
    "zero", "one",    "two",    "three",    "four",     "five",    "six",     "seven",     "eight",    "nine",
    "ten",  "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
constexpr std::array<std::string_view, 10> kTens = {"",      "",      "twenty",  "thirty", "forty",
                                                    "fifty", "sixty", "seventy", "eighty", "ninety"};

std::string below_hundred(int64_t number) {
  if (number < 20) return std::string(kSmall[static_cast<size_t>(number)]);
  std::string words(kTens[static_cast<size_t>(number / 10)]);
  if (number % 10 != 0) words += "-" + std::string(kSmall[static_cast<size_t>(number % 10)]);
  return words;
}

std::string below_thousand(int64_t number) {
  if (number < 100) return below_hundred(number);
  const std::string words = std::string(kSmall[static_cast<size_t>(number / 100)]) + " hundred";
  return number % 100 == 0 ? words : words + " and " + below_hundred(number % 100);
}

}  // namespace

std::string number_words(int64_t number) {
  if (number < 1000) return below_thousand(number);
  const std::string words = below_thousand(number / 1000) + " thousand";
  const int64_t rest = number % 1000;
  if (rest == 0) return words;
  return words + (rest < 100 ? " and " : ", ") + below_thousand(rest);
}

}  // namespace azimuth::prompt
