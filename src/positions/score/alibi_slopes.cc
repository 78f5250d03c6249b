#include "positions/score/alibi_slopes.h"

#include <bit>
#include <cmath>

namespace azimuth::positions {
namespace {

// Slope of head `head` of a number of heads that is a power of two.
float geometric_slope(int head, int heads) {
  return static_cast<float>(std::exp2(-8.0 * (head + 1) / heads));
}

}  // namespace

std::vector<float> alibi_slopes(int heads) {
  const int power = static_cast<int>(std::bit_floor(static_cast<unsigned>(heads)));
  std::vector<float> slopes;
  for (int head = 0; head < power; ++head) slopes.push_back(geometric_slope(head, power));
  for (int head = 0; power + head < heads; ++head) slopes.push_back(geometric_slope(2 * head, 2 * power));
  return slopes;
}

}  // namespace azimuth::positions
