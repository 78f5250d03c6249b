// Keys or values of one layer and one sequence, in the blocks that attention reads.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/kernels.h"

namespace azimuth::kernels {

// Rows [heads, dim] in blocks [heads, kAttentionBlock, dim] at absolute multiples of kAttentionBlock. Copies share full
// blocks; a shared block is copied before it is written (snapshots of a cache cost one partial block).
class KvBlocks {
 public:
  KvBlocks() = default;
  KvBlocks(int heads, int dim) : heads_(heads), dim_(dim) {}

  int64_t length() const { return length_; }
  size_t bytes() const;
  // Appends rows [count, heads, dim] with row stride `stride` elements.
  void append(const float* rows, int64_t count, int64_t stride);
  // Forgets all rows from `length` on; length must be at most length().
  void truncate(int64_t length);
  // Rows [begin, end), in blocks that are shared with this; `begin` is a multiple of kAttentionBlock. A block that is
  // not full is copied by whoever writes to it next.
  KvBlocks share(int64_t begin, int64_t end) const;
  // Appends the blocks of `other`, shared with it. Behind full blocks only.
  void append_shared(const KvBlocks& other);
  const std::vector<const float*>& blocks() const { return pointers_; }
  // [dim] of one head and token.
  const float* row(int head, int64_t index) const {
    const float* block = pointers_[static_cast<size_t>(index / kAttentionBlock)];
    return block + (int64_t{head} * kAttentionBlock + index % kAttentionBlock) * dim_;
  }

 private:
  float* writable_block(int64_t block);

  int heads_ = 0;
  int dim_ = 0;
  int64_t length_ = 0;
  std::vector<std::shared_ptr<float[]>> blocks_;
  std::vector<const float*> pointers_;
};

}  // namespace azimuth::kernels
