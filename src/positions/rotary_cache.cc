#include "positions/rotary_cache.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace azimuth::positions {

RotaryCache::RotaryCache(FrequencyPlan plan, size_t max_bytes)
    : plan_(std::move(plan)), width_(static_cast<size_t>(plan_.groups) * static_cast<size_t>(plan_.pairs)) {
  const size_t row_bytes = std::max<size_t>(1, 2 * width_ * sizeof(float));
  max_rows_ = std::max<size_t>(4, max_bytes / row_bytes);  // a token needs up to one row per axis
}

int64_t RotaryCache::computed_rows() const {
  const std::scoped_lock lock(mutex_);
  return computed_;
}

size_t RotaryCache::row_of(float id) {
  const auto [entry, is_new] = index_.try_emplace(std::bit_cast<uint32_t>(id), index_.size());
  if (!is_new) return entry->second;
  rows_.resize((entry->second + 1) * 2 * width_);
  float* cosines = rows_.data() + entry->second * 2 * width_;
  for (size_t i = 0; i < width_; ++i)
    rotate_unit(id, plan_.inv_freq[i], plan_.attention_scale, cosines[i], cosines[width_ + i]);
  ++computed_;
  return entry->second;
}

void RotaryCache::append(const float* ids, int64_t tokens, int axes, RotaryTable& table) {
  // A generated token has an id of its own: computing its one row costs less than to keep it.
  if (tokens == 1) return append_rotary(plan_, ids, tokens, axes, table);
  table.groups = plan_.groups;
  table.pairs = plan_.pairs;
  const size_t begin = table.cosines.size();
  table.cosines.resize(begin + width_ * static_cast<size_t>(tokens));
  table.sines.resize(table.cosines.size());
  // Row of each axis, and last the row of pairs that never turn.
  std::vector<size_t> row(static_cast<size_t>(axes) + 1);
  const std::scoped_lock lock(mutex_);
  for (int64_t token = 0; token < tokens; ++token) {
    if (index_.size() + static_cast<size_t>(axes) + 1 > max_rows_) {
      index_.clear();
      rows_.clear();
    }
    for (int axis = 0; axis < axes; ++axis) row[static_cast<size_t>(axis)] = row_of(ids[token * axes + axis]);
    row.back() = row_of(0.0f);
    float* cosines = table.cosines.data() + begin + width_ * static_cast<size_t>(token);
    float* sines = table.sines.data() + begin + width_ * static_cast<size_t>(token);
    for (size_t i = 0; i < width_; ++i) {
      const int axis = plan_.axis[i];
      const float* source =
          rows_.data() + row[axis < 0 ? static_cast<size_t>(axes) : static_cast<size_t>(axis)] * 2 * width_;
      cosines[i] = source[i];
      sines[i] = source[width_ + i];
    }
  }
}

}  // namespace azimuth::positions
