#include "kernels/kv_blocks.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <limits>

#include "base/float16.h"
#include "kernels/block_memory.h"
#include "kernels/quantised.h"

namespace azimuth::kernels {
namespace {

constexpr size_t kBlock = kAttentionBlock;
constexpr size_t kLine = 64;

size_t round_up(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Loops over plain arrays, without calls and branches, which compilers turn into vectors.

// Bits of the least magnitude that is not finite, and of the least that rounds to infinity in bf16.
constexpr int32_t kInfinity = 0x7f800000, kInfinityOfBf16 = 0x7f7f8000;

bool all_below(const float* row, size_t count, int32_t limit) {
  int32_t most = 0;
  for (size_t c = 0; c < count; ++c) most = std::max(most, std::bit_cast<int32_t>(row[c]) & 0x7fffffff);
  return most < limit;
}

void round_finite(const float* row, size_t count, uint16_t* out) {
  for (size_t c = 0; c < count; ++c) {
    const uint32_t bits = std::bit_cast<uint32_t>(row[c]);
    out[c] = static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
  }
}

// To nearest, ties to even, by the place of the point in a large number. Returns the scale.
float quantise(const float* row, size_t count, int8_t* out) {
  int32_t bits = 0;  // of magnitudes, in whose order they are
  for (size_t c = 0; c < count; ++c) bits = std::max(bits, std::bit_cast<int32_t>(row[c]) & 0x7fffffff);
  const float most = std::bit_cast<float>(bits);
  const bool nothing = most < kSmallestActivation;
  const float factor = nothing ? 0.0f : kLargestQuant / most;
  constexpr float kPoint = 0x1.8p23f;
  for (size_t c = 0; c < count; ++c)
    out[c] = static_cast<int8_t>(std::bit_cast<int32_t>(row[c] * factor + kPoint) - std::bit_cast<int32_t>(kPoint));
  return nothing ? 0.0f : most / kLargestQuant;
}

// Elements of one token to where the layout has them: pairs of channels of keys, halves of pairs of values.
template <typename Element>
void scatter(const Element* row, size_t count, size_t slot, bool keys, size_t channels, Element* out) {
  if (keys) {
    out += 2 * slot;
    for (size_t c = 0; c + 2 <= count; c += 2, out += 2 * kBlock) std::memcpy(out, row + c, 2 * sizeof(Element));
    if (count % 2 != 0) out[0] = row[count - 1];
    return;
  }
  out += slot / 2 * channels * 2 + slot % 2;
  for (size_t c = 0; c < count; ++c) out[2 * c] = row[c];
}

// Rows of one head lie far apart, where no processor looks ahead by itself.
constexpr int64_t kFetchAhead = 4;
void fetch(const float* row, int count) {
  for (int i = 0; i < count; i += static_cast<int>(kLine / sizeof(float))) __builtin_prefetch(row + i);
}

}  // namespace

int KvLayout::channels() const {
  if (type == CacheType::f32) return dim;
  const int multiple = role == KvRole::keys ? 32 : 16;
  return (dim + multiple - 1) / multiple * multiple;
}

size_t KvLayout::scales_offset() const {
  return kBlock * static_cast<size_t>(channels());
}

size_t KvLayout::finite_offset() const {
  return type == CacheType::bf16 ? 2 * kBlock * static_cast<size_t>(channels()) : scales_offset() + 4 * kBlock;
}

size_t KvLayout::head_bytes() const {
  const auto width = static_cast<size_t>(channels());
  const size_t tail = role == KvRole::values ? kLine : 0;
  switch (type) {
    case CacheType::f32: return round_up(4 * kBlock * width, kLine);
    case CacheType::bf16: return 2 * kBlock * width + tail;
    case CacheType::q8: return scales_offset() + 4 * kBlock + tail;
  }
  return 0;
}

void KvLayout::write(std::byte* head, int64_t slot, const float* row) const {
  const auto s = static_cast<size_t>(slot);
  const auto width = static_cast<size_t>(dim), stored = static_cast<size_t>(channels());
  const bool keys = role == KvRole::keys;
  if (type == CacheType::f32) {
    auto* out = reinterpret_cast<float*>(head);
    if (!keys) {
      std::copy_n(row, width, out + s * width);
    } else {
      for (size_t c = 0; c < width; ++c) out[c * kBlock + s] = row[c];
    }
    return;
  }
  const bool finite = all_below(row, width, type == CacheType::bf16 ? kInfinityOfBf16 : kInfinity);
  if (role == KvRole::values) {
    auto* bits = reinterpret_cast<uint64_t*>(head + finite_offset());
    *bits = finite ? *bits | uint64_t{1} << s : *bits & ~(uint64_t{1} << s);
  }
  if (type == CacheType::bf16) {
    static thread_local std::vector<uint16_t> rounded;
    rounded.assign(width, 0);
    if (finite) {
      round_finite(row, width, rounded.data());
    } else if (keys) {
      std::transform(row, row + width, rounded.begin(), f32_to_bf16);
    }
    scatter(rounded.data(), width, s, keys, stored, reinterpret_cast<uint16_t*>(head));
    return;
  }
  static thread_local std::vector<int8_t> quants;
  quants.assign(width, 0);
  float& scale = reinterpret_cast<float*>(head + scales_offset())[s];
  scale = finite ? quantise(row, width, quants.data()) : keys ? std::numeric_limits<float>::quiet_NaN() : 0.0f;
  scatter(quants.data(), width, s, keys, stored, reinterpret_cast<int8_t*>(head));
}

void KvLayout::read(const std::byte* head, int64_t slot, float* row) const {
  const auto s = static_cast<size_t>(slot);
  const auto width = static_cast<size_t>(dim);
  const bool keys = role == KvRole::keys;
  const auto paired = [&](size_t c) {
    return keys ? (c / 2 * kBlock + s) * 2 + c % 2 : (s / 2 * static_cast<size_t>(channels()) + c) * 2 + s % 2;
  };
  if (type == CacheType::f32) {
    const auto* in = reinterpret_cast<const float*>(head);
    for (size_t c = 0; c < width; ++c) row[c] = keys ? in[c * kBlock + s] : in[s * width + c];
    return;
  }
  if (role == KvRole::values && (*reinterpret_cast<const uint64_t*>(head + finite_offset()) >> s & uint64_t{1}) == 0) {
    std::fill_n(row, width, std::numeric_limits<float>::quiet_NaN());
    return;
  }
  if (type == CacheType::bf16) {
    const auto* in = reinterpret_cast<const uint16_t*>(head);
    for (size_t c = 0; c < width; ++c) row[c] = bf16_to_f32(in[paired(c)]);
    return;
  }
  const auto* in = reinterpret_cast<const int8_t*>(head);
  const float scale = reinterpret_cast<const float*>(head + scales_offset())[s];
  for (size_t c = 0; c < width; ++c) row[c] = scale * static_cast<float>(in[paired(c)]);
}

std::byte* KvBlocks::writable_block(int64_t block) {
  const auto index = static_cast<size_t>(block);
  const size_t bytes = layout_.block_bytes();
  if (index == blocks_.size()) {
    blocks_.push_back(zeroed_block(bytes));  // paired products read a whole block
    pointers_.push_back(blocks_.back().get());
  } else if (blocks_[index].use_count() > 1) {
    std::shared_ptr<std::byte[]> copy = zeroed_block(bytes);
    std::memcpy(copy.get(), blocks_[index].get(), bytes);
    blocks_[index] = std::move(copy);
    pointers_[index] = blocks_[index].get();
  } else {
    // Another thread may have let go of the block a moment ago: what it read comes before what is written now.
    std::atomic_thread_fence(std::memory_order_acquire);
  }
  return blocks_[index].get();
}

void KvBlocks::append(const float* rows, int64_t count, int64_t stride, ThreadPool* pool) {
  if (count <= 0) return;
  const int64_t first = length_ / kAttentionBlock, last = (length_ + count - 1) / kAttentionBlock;
  for (int64_t block = first; block <= last; ++block) writable_block(block);
  const int64_t begin = length_, end = length_ + count;
  const auto fill = [&](int64_t from, int64_t to) {  // of (block, head)
    for (int64_t item = from; item < to; ++item) {
      const int64_t block = first + item / layout_.heads, head = item % layout_.heads;
      std::byte* part = blocks_[static_cast<size_t>(block)].get() + static_cast<size_t>(head) * layout_.head_bytes();
      for (int64_t token = std::max(begin, block * kAttentionBlock);
           token < std::min(end, (block + 1) * kAttentionBlock); ++token) {
        const float* row = rows + (token - begin) * stride + head * layout_.dim;
        if (token + kFetchAhead < end) fetch(row + kFetchAhead * stride, layout_.dim);
        layout_.write(part, token % kAttentionBlock, row);
      }
    }
  };
  const int64_t parts = (last - first + 1) * layout_.heads;
  if (pool != nullptr && count >= kAttentionBlock) {
    pool->for_each(parts, 4, fill);
  } else {
    fill(0, parts);
  }
  length_ = end;
}

void KvBlocks::restore(int64_t length, std::span<const std::byte> bytes) {
  truncate(0);
  const size_t size = layout_.block_bytes();
  for (size_t block = 0; block * size < bytes.size(); ++block) {
    std::memcpy(writable_block(static_cast<int64_t>(block)), bytes.data() + block * size, size);
  }
  length_ = length;
}

KvBlocks KvBlocks::share(int64_t begin, int64_t end) const {
  const int64_t first = begin / kAttentionBlock;
  const int64_t last = (end + kAttentionBlock - 1) / kAttentionBlock;
  KvBlocks out;
  out.layout_ = layout_;
  out.length_ = end - begin;
  out.blocks_.assign(blocks_.begin() + first, blocks_.begin() + last);
  out.pointers_.assign(pointers_.begin() + first, pointers_.begin() + last);
  return out;
}

void KvBlocks::append_shared(const KvBlocks& other) {
  if (length_ == 0) layout_ = other.layout_;
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
