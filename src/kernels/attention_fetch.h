// Asking for memory ahead of its use. For files compiled for wide instructions: everything here is local to them.
#pragma once

#include "kernels/attention_tile.h"

namespace azimuth::kernels {
namespace {

// Asks for the keys and values of the block that will be read next, between other work: as four streams, which is how
// memory is read fastest, and evenly over all `calls`, since a burst fills the queue of misses and then leaves it
// empty.
struct Fetch {
  const char* keys;
  const char* values;
  int64_t half_keys;  // bytes
  int64_t half_values;
  int64_t lines;  // of each stream
  int64_t calls;
  int64_t at = 0;    // bytes of each stream that were asked for
  int64_t owed = 0;  // lines x calls: what was not asked for yet

  Fetch(const AttentionTile& t, int64_t all_calls)
      : keys(static_cast<const char*>(t.next)),
        values(static_cast<const char*>(t.next_values)),
        half_keys(t.next_bytes / 128 * 64),
        half_values(t.next_value_bytes / 128 * 64),
        lines(keys == nullptr           ? 0
              : half_keys > half_values ? half_keys / 64
                                        : half_values / 64),
        calls(all_calls) {}

  inline __attribute__((always_inline)) void some() {
    for (owed += lines; owed >= calls; owed -= calls, at += 64) {
      if (at < half_keys) {
        __builtin_prefetch(keys + at, 0, 2);
        __builtin_prefetch(keys + half_keys + at, 0, 2);
      }
      if (at < half_values) {
        __builtin_prefetch(values + at, 0, 2);
        __builtin_prefetch(values + half_values + at, 0, 2);
      }
    }
  }
};

}  // namespace
}  // namespace azimuth::kernels
