// Keys or values of one layer and one sequence, in the blocks that attention reads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/kernels.h"

namespace azimuth::kernels {

// How a block of kAttentionBlock tokens lies in memory: the parts of its heads one behind the other, each on a cache
// line. Scores are sums over channels and outputs are sums over tokens, so that keys have their tokens and values their
// channels side by side; bf16 and q8 pair what is summed (VDPBF16PS, TDPBF16PS):
//
//   keys    f32   [dim][64]                values  f32   [64][dim]
//           bf16  [channels / 2][64][2]            bf16  [32][channels][2], finite u64
//           q8    the same in s8, scales           q8    the same in s8, scales [64] f32, finite u64
//                 [64] f32
//   rows    f32   [64][dim]
//
// channels: dim, filled up with zeros to a multiple of 32 (keys) or 16 (values). q8: x = scale * quant, one scale for
// each token and head. A value row that is not finite is kept as zeros and as a bit that is missing in `finite`: a
// pair must not bring NaN to queries that see its neighbour only.
enum class KvRole : uint8_t { keys, values, rows };

struct KvLayout {
  KvRole role = KvRole::rows;
  CacheType type = CacheType::f32;  // f32 for rows
  int heads = 0;
  int dim = 0;

  int channels() const;          // stored, per head and token
  size_t scales_offset() const;  // of q8, in a head's part
  size_t finite_offset() const;  // of values in bf16 and q8
  size_t head_bytes() const;
  size_t block_bytes() const { return static_cast<size_t>(heads) * head_bytes(); }
  // Bytes for each token, all heads together.
  int64_t token_bytes() const { return static_cast<int64_t>(block_bytes()) / kAttentionBlock; }

  // Writes one token's row [dim] to its slot.
  void write(std::byte* head, int64_t slot, const float* row) const;
  // Reads it back. A value row that was not finite comes back as NaN.
  void read(const std::byte* head, int64_t slot, float* row) const;
};

// Rows [heads, dim] in blocks at absolute multiples of kAttentionBlock. Copies share full blocks; a shared block is
// copied before it is written (snapshots of a cache cost one partial block).
class KvBlocks {
 public:
  KvBlocks() = default;
  KvBlocks(KvRole role, CacheType type, int heads, int dim) : layout_{role, type, heads, dim} {}
  // Plain rows of f32, which row() reads.
  KvBlocks(int heads, int dim) : layout_{KvRole::rows, CacheType::f32, heads, dim} {}

  const KvLayout& layout() const { return layout_; }
  CacheType type() const { return layout_.type; }
  int64_t length() const { return length_; }
  size_t bytes() const { return blocks_.size() * layout_.block_bytes(); }
  // Appends rows [count, heads, dim] with row stride `stride` elements.
  void append(const float* rows, int64_t count, int64_t stride, ThreadPool* pool = nullptr);
  // Forgets all rows from `length` on; length must be at most length().
  void truncate(int64_t length);
  // Rows [begin, end), in blocks that are shared with this; `begin` is a multiple of kAttentionBlock. A block that is
  // not full is copied by whoever writes to it next.
  KvBlocks share(int64_t begin, int64_t end) const;
  // Appends the blocks of `other`, shared with it, whose layout an empty one takes over. Behind full blocks only.
  void append_shared(const KvBlocks& other);
  const std::vector<const std::byte*>& blocks() const { return pointers_; }
  // What blocks() held of another one of this layout and `length` rows, whole blocks one behind the other.
  void restore(int64_t length, std::span<const std::byte> bytes);
  // [dim] of one head and token; of plain rows only.
  const float* row(int head, int64_t index) const {
    return reinterpret_cast<const float*>(part(head, index)) + index % kAttentionBlock * layout_.dim;
  }
  // The same for every layout, copied to out [dim].
  void read(int head, int64_t index, float* out) const {
    layout_.read(part(head, index), index % kAttentionBlock, out);
  }

 private:
  std::byte* writable_block(int64_t block);
  const std::byte* part(int head, int64_t index) const {
    return pointers_[static_cast<size_t>(index / kAttentionBlock)] + static_cast<size_t>(head) * layout_.head_bytes();
  }

  KvLayout layout_;
  int64_t length_ = 0;
  std::vector<std::shared_ptr<std::byte[]>> blocks_;
  std::vector<const std::byte*> pointers_;
};

}  // namespace azimuth::kernels
