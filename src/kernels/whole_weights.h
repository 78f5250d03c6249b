// Reading single weights out of records, slowly: for look-ups of embedding rows and as the oracle of the tiles.
#pragma once

#include <stdint.h>
#include <string.h>

#include "kernels/quantised.h"

namespace azimuth::kernels {

// The whole numbers that weights of one output stand for in a record: [64]
inline void whole_q8(const uint8_t* record, int output, int32_t* out) {
  for (int i = 0; i < kQuantBlock; ++i) out[i] = static_cast<int8_t>(record[i / 4 * kQuadBytes + 4 * output + i % 4]);
}

inline void whole_q4(const uint8_t* record, int output, int32_t* out) {
  const uint8_t* multipliers = record + kQ4QuantBytes + kScaleBytes;
  for (int i = 0; i < kQuantBlock; ++i) {
    const int quad = i / 4;
    const int run = i / kQuantRun;
    const uint8_t both = record[quad / 2 * kQuadBytes + 4 * output + i % 4];
    const int multiplier = multipliers[run / 2 * kQuantPanel + output] >> (run % 2 * 4) & 15;
    out[i] = multiplier * ((both >> (quad % 2 * 4) & 15) - kQ4Offset);
  }
}

inline float scale_of(const uint8_t* record, int64_t quant_bytes, int output) {
  uint16_t bits;
  memcpy(&bits, record + quant_bytes + 2 * output, sizeof bits);
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float scale;
  memcpy(&scale, &wide, sizeof scale);
  return scale;
}

}  // namespace azimuth::kernels
