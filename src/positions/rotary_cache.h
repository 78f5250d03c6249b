// Cosines and sines that were computed before: one row per (plan, id), shared by layers, sequences and steps.
#pragma once

#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "azimuth/positions.h"
#include "positions/rotary_table.h"

namespace azimuth::positions {

// The rotary rows of one plan. A token's row is put together from the rows of its ids, one per axis, so that a picture
// of h x w cells costs h + w rows of cosines and not h * w. Bounded: when full it starts again. Safe to share by
// threads.
class RotaryCache {
 public:
  static constexpr size_t kMaxBytes = size_t{32} << 20;

  explicit RotaryCache(FrequencyPlan plan, size_t max_bytes = kMaxBytes);

  const FrequencyPlan& plan() const { return plan_; }
  // As append_rotary, bit for bit.
  void append(const float* ids, int64_t tokens, int axes, RotaryTable& table);
  // Rows of cosines and sines computed so far, for those who want to see that they are not computed again.
  int64_t computed_rows() const;

 private:
  // Index of the row of `id`, computed where it is new. [groups * pairs] cosines, then as many sines, from rows_.
  size_t row_of(float id);

  FrequencyPlan plan_;
  size_t width_;     // groups * pairs
  size_t max_rows_;  // bound of the memory
  mutable std::mutex mutex_;
  std::unordered_map<uint32_t, size_t> index_;  // bits of an id -> row
  std::vector<float> rows_;                     // [rows, 2, groups * pairs]
  int64_t computed_ = 0;
};

}  // namespace azimuth::positions
