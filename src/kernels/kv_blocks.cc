#include "kernels/kv_blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>

#include "base/float16.h"
#include "kernels/quantised.h"

namespace azimuth::kernels {
namespace {

constexpr size_t kBlock = kAttentionBlock;
constexpr size_t kLine = 64;

size_t round_up(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// On a cache line; zeros, because paired products read a whole block.
std::shared_ptr<std::byte[]> new_block(size_t bytes) {
  constexpr std::align_val_t kAlignment{kLine};
  auto* data = static_cast<std::byte*>(::operator new[](bytes, kAlignment));
  std::memset(data, 0, bytes);
  return {data, [](std::byte* p) { ::operator delete[](p, kAlignment); }};
}

bool all_finite(const float* row, int count) {
  return std::all_of(row, row + count, [](float x) { return std::isfinite(x); });
}

struct Quantised {
  float scale;
  float factor;  // what channels are multiplied by
};

Quantised scale_of(const float* row, int count) {
  float most = 0.0f;
  for (int i = 0; i < count; ++i) most = std::max(most, std::abs(row[i]));
  if (most < kSmallestActivation) return {0.0f, 0.0f};
  return {most / kLargestQuant, kLargestQuant / most};
}

int8_t quant(float x, float factor) {
  return static_cast<int8_t>(std::lrintf(x * factor));
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
  const auto width = static_cast<size_t>(dim);
  // Where channel c lies, in elements: keys have their tokens side by side, values their channels.
  const bool keys = role == KvRole::keys;
  const auto paired = [&](size_t c) {
    return keys ? (c / 2 * kBlock + s) * 2 + c % 2 : (s / 2 * static_cast<size_t>(channels()) + c) * 2 + s % 2;
  };
  if (type == CacheType::f32) {
    auto* out = reinterpret_cast<float*>(head);
    if (!keys) {
      std::copy_n(row, width, out + s * width);
    } else {
      for (size_t c = 0; c < width; ++c) out[c * kBlock + s] = row[c];
    }
    return;
  }
  bool finite = true;
  if (role == KvRole::values) {
    finite = all_finite(row, dim);
    auto* bits = reinterpret_cast<uint64_t*>(head + finite_offset());
    *bits = finite ? *bits | uint64_t{1} << s : *bits & ~(uint64_t{1} << s);
  }
  if (type == CacheType::bf16) {
    auto* out = reinterpret_cast<uint16_t*>(head);
    for (size_t c = 0; c < width; ++c) out[paired(c)] = finite ? f32_to_bf16(row[c]) : uint16_t{0};
    return;
  }
  auto* out = reinterpret_cast<int8_t*>(head);
  float* scale = reinterpret_cast<float*>(head + scales_offset()) + s;
  if (!all_finite(row, dim)) {
    for (size_t c = 0; c < width; ++c) out[paired(c)] = 0;
    *scale = keys ? std::numeric_limits<float>::quiet_NaN() : 0.0f;
    return;
  }
  const Quantised quantised = scale_of(row, dim);
  for (size_t c = 0; c < width; ++c) out[paired(c)] = quant(row[c], quantised.factor);
  *scale = quantised.scale;
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
    blocks_.push_back(new_block(bytes));
    pointers_.push_back(blocks_.back().get());
  } else if (blocks_[index].use_count() > 1) {
    std::shared_ptr<std::byte[]> copy = new_block(bytes);
    std::memcpy(copy.get(), blocks_[index].get(), bytes);
    blocks_[index] = std::move(copy);
    pointers_[index] = blocks_[index].get();
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
           token < std::min(end, (block + 1) * kAttentionBlock); ++token)
        layout_.write(part, token % kAttentionBlock, rows + (token - begin) * stride + head * layout_.dim);
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

void KvBlocks::truncate(int64_t length) {
  length_ = length;
  const auto kept = static_cast<size_t>((length + kAttentionBlock - 1) / kAttentionBlock);
  blocks_.resize(kept);
  pointers_.resize(kept);
}

}  // namespace azimuth::kernels
