#include "decoder/cache_marks.h"

#include <atomic>
#include <utility>

namespace azimuth::decoder {

void CacheMarks::take(std::span<const SequenceChunk> chunks) {
  std::swap(marks_, before_);
  marks_.resize(chunks.size());
  for (size_t i = 0; i < chunks.size(); ++i) {
    const CacheState& cache = *chunks[i].cache;
    marks_[i].length = cache.length();
    marks_[i].states.resize(static_cast<size_t>(cache.layers()));
    for (int layer = 0; layer < cache.layers(); ++layer)
      marks_[i].states[static_cast<size_t>(layer)] = cache.layer(layer).recurrent;
  }
}

Status CacheMarks::go_back(std::span<const SequenceChunk> chunks) const {
  for (size_t i = 0; i < chunks.size(); ++i) chunks[i].cache->restore(marks_[i].states);
  for (size_t i = 0; i < chunks.size(); ++i) AZ_RETURN_IF_ERROR(chunks[i].cache->truncate(marks_[i].length));
  return ok_status();
}

std::shared_ptr<RecurrentState> CacheMarks::copy_state(size_t chunk, int layer, const RecurrentState& state) {
  std::shared_ptr<const RecurrentState> old;
  if (chunk < before_.size()) old = std::move(before_[chunk].states[static_cast<size_t>(layer)]);
  if (old.use_count() != 1) return std::make_shared<RecurrentState>(state);
  // Another thread may have let go of the state a moment ago: what it read comes before what is written now.
  std::atomic_thread_fence(std::memory_order_acquire);
  auto copy = std::const_pointer_cast<RecurrentState>(std::move(old));
  *copy = state;
  return copy;
}

}  // namespace azimuth::decoder
