#include "kernels/kv_blocks.h"

#include <algorithm>
#include <atomic>

namespace azimuth::kernels {

size_t KvBlocks::bytes() const {
  return blocks_.size() * static_cast<size_t>(heads_) * kAttentionBlock * static_cast<size_t>(dim_) * sizeof(float);
}

float* KvBlocks::writable_block(int64_t block) {
  const size_t elements = static_cast<size_t>(heads_) * kAttentionBlock * static_cast<size_t>(dim_);
  const auto index = static_cast<size_t>(block);
  if (index == blocks_.size()) {
    blocks_.emplace_back(new float[elements]);
    pointers_.push_back(blocks_.back().get());
  } else if (blocks_[index].use_count() > 1) {
    std::shared_ptr<float[]> copy(new float[elements]);
    std::copy_n(blocks_[index].get(), elements, copy.get());
    blocks_[index] = std::move(copy);
    pointers_[index] = blocks_[index].get();
  } else {
    // Another thread may have let go of the block a moment ago: what it read comes before what is written now.
    std::atomic_thread_fence(std::memory_order_acquire);
  }
  return blocks_[index].get();
}

void KvBlocks::append(const float* rows, int64_t count, int64_t stride) {
  for (int64_t done = 0; done < count;) {
    const int64_t slot = length_ % kAttentionBlock;
    const int64_t run = std::min(count - done, kAttentionBlock - slot);
    float* block = writable_block(length_ / kAttentionBlock);
    for (int head = 0; head < heads_; ++head) {
      for (int64_t i = 0; i < run; ++i) {
        std::copy_n(rows + (done + i) * stride + int64_t{head} * dim_, dim_,
                    block + (int64_t{head} * kAttentionBlock + slot + i) * dim_);
      }
    }
    done += run;
    length_ += run;
  }
}

KvBlocks KvBlocks::share(int64_t begin, int64_t end) const {
  const int64_t first = begin / kAttentionBlock;
  const int64_t last = (end + kAttentionBlock - 1) / kAttentionBlock;
  KvBlocks out(heads_, dim_);
  out.length_ = end - begin;
  out.blocks_.assign(blocks_.begin() + first, blocks_.begin() + last);
  out.pointers_.assign(pointers_.begin() + first, pointers_.begin() + last);
  return out;
}

void KvBlocks::append_shared(const KvBlocks& other) {
  blocks_.insert(blocks_.end(), other.blocks_.begin(), other.blocks_.end());
  pointers_.insert(pointers_.end(), other.pointers_.begin(), other.pointers_.end());
  length_ += other.length_;
}

void KvBlocks::truncate(int64_t length) {
  length_ = length;
  const auto kept = static_cast<size_t>((length + kAttentionBlock - 1) / kAttentionBlock);
  blocks_.resize(kept);
  pointers_.resize(kept);
}

}  // namespace azimuth::kernels
