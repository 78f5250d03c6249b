// Counts as English words.
#pragma once

#include <cstdint>
#include <string>

namespace azimuth::prompt {

// "twelve", "one hundred and five", "two thousand, three hundred and forty-one": what the package num2words makes of
// 0 to 999999.
std::string number_words(int64_t number);

}  // namespace azimuth::prompt
