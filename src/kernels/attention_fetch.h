// Asking for memory ahead of its use. For files compiled for wide instructions: everything here is local to them.
#pragma once

#include "kernels/attention_tile.h"

namespace azimuth::kernels {
namespace {

// Asks for the keys and values of the block that will be read next, in `calls` shares between other work: as four
// streams, which is how memory is read fastest.
struct Fetch {
  const char* keys;
  const char* values;
  int64_t half_keys;  // bytes
  int64_t half_values;
  int64_t at = 0;
  int64_t end;
  int64_t share;

  Fetch(const AttentionTile& t, int calls)
      : keys(static_cast<const char*>(t.next)),
        values(static_cast<const char*>(t.next_values)),
        half_keys(t.next_bytes / 128 * 64),
        half_values(t.next_value_bytes / 128 * 64),
        end(keys == nullptr           ? 0
            : half_keys > half_values ? half_keys
                                      : half_values),
        share((end / 64 + calls - 1) / calls) {}

  inline __attribute__((always_inline)) void some() {
    for (int64_t i = 0; i < share && at < end; ++i, at += 64) {
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
