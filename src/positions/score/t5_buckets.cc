#include "positions/score/t5_buckets.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace azimuth::positions {

Result<T5Buckets> T5Buckets::create(const T5BucketOptions& options) {
  const int directions = options.bidirectional ? 2 : 1;
  const int one_sided = options.buckets / directions;
  if (options.buckets < 2 * directions || options.buckets % directions != 0) {
    return invalid_argument("t5 expected " + std::string(directions == 2 ? "an even number of" : "") +
                            (directions == 2 ? " at least 4" : "at least 2") + " buckets, found " +
                            std::to_string(options.buckets));
  }
  if (options.max_distance <= one_sided / 2) {
    return invalid_argument("t5 expected a distance above " + std::to_string(one_sided / 2) +
                            ", the number of buckets with one distance each, found " +
                            std::to_string(options.max_distance));
  }
  return T5Buckets(options);
}

T5Buckets::T5Buckets(const T5BucketOptions& options)
    : one_sided_(options.bidirectional ? options.buckets / 2 : options.buckets), bidirectional_(options.bidirectional) {
  const int exact = one_sided_ / 2;
  // f32 throughout, as the reference: where a distance is an exact power, rounding decides the bucket.
  const auto octaves =
      static_cast<float>(std::log(static_cast<double>(options.max_distance) / static_cast<double>(exact)));
  for (int64_t distance = 0; distance < options.max_distance; ++distance) {
    if (distance < exact) {
      near_.push_back(static_cast<int>(distance));
      continue;
    }
    const float ratio = static_cast<float>(distance) / static_cast<float>(exact);
    const auto logarithm = static_cast<float>(std::log(static_cast<double>(ratio)));
    const float share = logarithm / octaves * static_cast<float>(one_sided_ - exact);
    near_.push_back(std::min(exact + static_cast<int>(share), one_sided_ - 1));
  }
}

int T5Buckets::bucket(int64_t relative) const {
  const int64_t distance = bidirectional_ ? std::abs(relative) : std::max<int64_t>(-relative, 0);
  const bool is_near = distance < static_cast<int64_t>(near_.size());
  const int base = bidirectional_ && relative > 0 ? one_sided_ : 0;
  return base + (is_near ? near_[static_cast<size_t>(distance)] : one_sided_ - 1);
}

}  // namespace azimuth::positions
