// Buckets of relative distance, as T5 counts them (positions.md 1.5; transformers T5Attention).
#pragma once

#include <cstdint>
#include <vector>

#include "azimuth/status.h"

namespace azimuth::positions {

struct T5BucketOptions {
  int buckets = 32;            // learned scalars per head
  int64_t max_distance = 128;  // distances from here on share the last bucket
  bool bidirectional = false;  // half of the buckets for keys behind the query
};

// Every distance below the number of exact buckets has its own; further ones share buckets of logarithmic width.
class T5Buckets {
 public:
  // invalid_argument unless each direction has at least two buckets, both directions equally many, and max_distance
  // is above the number of exact buckets, which is half of a direction's.
  static Result<T5Buckets> create(const T5BucketOptions& options);

  // Bucket in [0, buckets) of a key that stands `relative` = key - query tokens behind its query.
  int bucket(int64_t relative) const;

 private:
  explicit T5Buckets(const T5BucketOptions& options);

  int one_sided_ = 0;  // buckets of one direction
  bool bidirectional_ = false;
  std::vector<int> near_;  // [max_distance], bucket of a distance
};

}  // namespace azimuth::positions
