#include "kernels/block_memory.h"

#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#include "base/pages.h"

namespace azimuth::kernels {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kChunk = size_t{8} << 20;  // four huge pages
// Smaller blocks come from the heap, whose pages they share anyway; of larger ones too few would fit into a chunk.
constexpr size_t kSmallest = size_t{32} << 10;
constexpr size_t kLargest = kChunk / 8;

struct Chunk {
  Pages pages;
  std::vector<std::byte*> free;
  size_t blocks = 0;
};

// Chunks by size of block. A process has one, which outlives every cache.
class Chunks {
 public:
  std::byte* take(size_t bytes) {
    std::lock_guard lock(mutex_);
    auto& chunks = sizes_[bytes];
    for (auto& [start, chunk] : chunks) {
      if (chunk.free.empty()) continue;
      std::byte* block = chunk.free.back();
      chunk.free.pop_back();
      return block;
    }
    Chunk fresh;
    if (!fresh.pages.try_allocate(kChunk)) throw std::bad_alloc();
    fresh.blocks = kChunk / bytes;
    std::byte* start = fresh.pages.data();
    for (size_t i = fresh.blocks; i-- > 1;) fresh.free.push_back(start + i * bytes);
    chunks.emplace(start, std::move(fresh));
    return start;
  }

  void give_back(std::byte* block, size_t bytes) {
    std::lock_guard lock(mutex_);
    auto& chunks = sizes_[bytes];
    const auto chunk = std::prev(chunks.upper_bound(block));
    chunk->second.free.push_back(block);
    if (chunk->second.free.size() == chunk->second.blocks) chunks.erase(chunk);
  }

 private:
  std::mutex mutex_;
  std::map<size_t, std::map<std::byte*, Chunk>> sizes_;
};

Chunks& chunks() {
  static Chunks* const all = new Chunks;  // blocks may be let go of while the process ends
  return *all;
}

}  // namespace

std::shared_ptr<std::byte[]> zeroed_block(size_t bytes) {
  constexpr std::align_val_t kAlignment{kLine};
  bytes = (bytes + kLine - 1) / kLine * kLine;
  if (bytes < kSmallest || bytes > kLargest) {
    auto* data = static_cast<std::byte*>(::operator new[](bytes, kAlignment));
    std::memset(data, 0, bytes);
    return {data, [](std::byte* p) { ::operator delete[](p, kAlignment); }};
  }
  std::byte* data = chunks().take(bytes);
  std::memset(data, 0, bytes);
  return {data, [bytes](std::byte* p) { chunks().give_back(p, bytes); }};
}

}  // namespace azimuth::kernels
