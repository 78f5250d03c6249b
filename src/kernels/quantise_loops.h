// From weights to records. Plain loops over the 32 outputs of a panel, which compilers turn into vectors: every level
// includes this in a file of its own flags and gets the same bits, since no operation is reordered or fused
// (-ffp-contract=off). Everything is local to the including file.
#pragma once

#include <stdint.h>

#include "kernels/quantised.h"

namespace azimuth::kernels {
namespace {

#define AZ_LANES for (int j = 0; j < kQuantPanel; ++j)

// To the nearest whole number, ties to even, of |x| < 2^22; unlike a call of the library this becomes a vector.
inline float nearest(float x) {
  constexpr float kShift = 12582912.0f;  // 1.5 * 2^23
  return (x + kShift) - kShift;
}

inline float clamp_quant(float q, float low, float high) {
  q = q > low ? q : low;  // low for a NaN, whose block has a scale of NaN
  return q < high ? q : high;
}

inline uint32_t bits_of(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits;
}

inline float of_bits(uint32_t bits) {
  float x;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

// A number >= 0, to the next bf16 that is not smaller, so that the largest weight stays within the quants. NaN stays
// NaN.
inline uint16_t scale_bits(float x) {
  const uint32_t bits = bits_of(x);
  return static_cast<uint16_t>(bits > 0x7f800000u ? 0x7fc0u : (bits + 0xffffu) >> 16);
}

inline float scale_value(uint16_t bits) {
  return of_bits(static_cast<uint32_t>(bits) << 16);
}

// Where quant `input` of output 0 lies among the bytes of quads; the next output is four bytes on.
inline int quant_index(int input) {
  return input / 4 * kQuadBytes + input % 4;
}

// The largest magnitude of `count` inputs for each output: compared as whole numbers, among which NaN is the largest.
inline void largest_magnitudes(const float* weights, int count, float* largest) {
  int32_t bits[kQuantPanel] = {};
  for (int i = 0; i < count; ++i) {
    AZ_LANES {
      const auto w = static_cast<int32_t>(bits_of(weights[i * kQuantPanel + j]) & 0x7fffffffu);
      bits[j] = w > bits[j] ? w : bits[j];
    }
  }
  AZ_LANES largest[j] = of_bits(static_cast<uint32_t>(bits[j]));
}

// The sums of one group's positive and of its negative quants, for each output.
struct GroupSums {
  int16_t positive[kQuantPanel] = {};
  int16_t negative[kQuantPanel] = {};
};
constexpr int kQuantGroups = 2 * kQuantQuads / kGroupQuads;  // of a block

// Rounds a block to quants under `scales`; returns the larger magnitude of GroupSums over all groups in `widest`.
inline void round_q8(const float* weights, const uint16_t* scales, int8_t* quants, int32_t* widest) {
  float inverse[kQuantPanel];
  AZ_LANES {
    const float scale = scale_value(scales[j]);
    inverse[j] = scale > 0.0f ? 1.0f / scale : 0.0f;
  }
  GroupSums groups[kQuantGroups];
  int8_t row[kQuantPanel];
  for (int i = 0; i < kQuantBlock; ++i) {
    GroupSums& group = groups[i / (4 * kGroupQuads) * 2 + i % 4 / 2];
    AZ_LANES row[j] = static_cast<int8_t>(static_cast<int32_t>(
        clamp_quant(nearest(weights[i * kQuantPanel + j] * inverse[j]), -kLargestQuant, kLargestQuant)));
    AZ_LANES quants[quant_index(i) + 4 * j] = row[j];
    AZ_LANES group.positive[j] = static_cast<int16_t>(group.positive[j] + (row[j] > 0 ? row[j] : 0));
    AZ_LANES group.negative[j] = static_cast<int16_t>(group.negative[j] - (row[j] < 0 ? row[j] : 0));
  }
  AZ_LANES widest[j] = 0;
  for (const GroupSums& group : groups) {
    AZ_LANES widest[j] = group.positive[j] > widest[j] ? group.positive[j] : widest[j];
    AZ_LANES widest[j] = group.negative[j] > widest[j] ? group.negative[j] : widest[j];
  }
}

// Under the scale of the block's largest weight. Groups are within kMostOfGroup where `bounded`: then the scale grows
// until they are.
inline void quantise_q8_block(const float* weights, bool bounded, void* record) {
  auto* quants = static_cast<int8_t*>(record);
  auto* scales = reinterpret_cast<uint16_t*>(quants + kQ8QuantBytes);
  float largest[kQuantPanel];
  largest_magnitudes(weights, kQuantBlock, largest);
  AZ_LANES scales[j] = scale_bits(largest[j] / kLargestQuant);
  int32_t widest[kQuantPanel];
  round_q8(weights, scales, quants, widest);
  // Rounding may leave a group above the bound once more. Kernels look at the quants themselves, and a weight that is
  // no number never gets there, so that a few turns are enough.
  constexpr int kTurns = 4;
  for (int turn = 0; bounded && turn < kTurns; ++turn) {
    int32_t most = 0;
    AZ_LANES most = widest[j] > most ? widest[j] : most;
    if (most <= kMostOfGroup) return;
    AZ_LANES {
      const float growth = widest[j] > kMostOfGroup ? static_cast<float>(widest[j]) / (kMostOfGroup - 1.0f) : 1.0f;
      scales[j] = scale_bits(scale_value(scales[j]) * growth);
    }
    round_q8(weights, scales, quants, widest);
  }
}

void quantise_q8(const float* weights, void* record) {
  quantise_q8_block(weights, false, record);
}

// For activations of 7 bits.
void quantise_q8_bounded(const float* weights, void* record) {
  quantise_q8_block(weights, true, record);
}

constexpr float kLowestQ4 = -8.0f;
constexpr float kHighestQ4 = 7.0f;
constexpr int kMostMultiplier = 15;

// Squared errors of one run of 16 inputs under `step`, its distance of quants, for each output; `sums` is overwritten.
inline void run_errors(const float* weights, const float* step, float* sums) {
  float inverse[kQuantPanel];
  AZ_LANES inverse[j] = step[j] > 0.0f ? 1.0f / step[j] : 0.0f;
  AZ_LANES sums[j] = 0.0f;
  for (int i = 0; i < kQuantRun; ++i) {
    AZ_LANES {
      const float w = weights[i * kQuantPanel + j];
      const float q = clamp_quant(nearest(w * inverse[j]), kLowestQ4, kHighestQ4);
      const float error = w - q * step[j];
      sums[j] += error * error;
    }
  }
}

// The step of a run that leaves the smallest squared error, among the largest magnitude / 6.2, 6.8, ... 8.6: clipping
// the few largest weights is worth finer steps for all others.
inline void best_steps(const float* weights, float* steps) {
  float largest[kQuantPanel];
  largest_magnitudes(weights, kQuantRun, largest);
  float least[kQuantPanel];
  for (int candidate = 0; candidate < 5; ++candidate) {
    const float divisor = 6.2f + 0.6f * static_cast<float>(candidate);
    float step[kQuantPanel];
    float errors[kQuantPanel];
    AZ_LANES step[j] = largest[j] / divisor;
    run_errors(weights, step, errors);
    AZ_LANES {
      const bool better = candidate == 0 || errors[j] < least[j];
      least[j] = better ? errors[j] : least[j];
      steps[j] = better ? step[j] : steps[j];
    }
  }
}

// The multipliers of the four runs under `scale`, each the better one of the two whole numbers around the best step,
// and the squared error of the block.
inline void choose_multipliers(const float* weights, const float (*steps)[kQuantPanel], const float* scale,
                               float (*multipliers)[kQuantPanel], float* total) {
  AZ_LANES total[j] = 0.0f;
  for (int run = 0; run < kQuantRuns; ++run) {
    const float* part = weights + run * kQuantRun * kQuantPanel;
    float low[kQuantPanel], step[kQuantPanel], low_error[kQuantPanel], high_error[kQuantPanel];
    AZ_LANES {
      const float inverse = scale[j] > 0.0f ? 1.0f / scale[j] : 0.0f;
      low[j] = clamp_quant(nearest(steps[run][j] * inverse - 0.5f), 0.0f, kMostMultiplier - 1.0f);
      step[j] = low[j] * scale[j];
    }
    run_errors(part, step, low_error);
    AZ_LANES step[j] = (low[j] + 1.0f) * scale[j];
    run_errors(part, step, high_error);
    AZ_LANES {
      const bool high = high_error[j] < low_error[j];
      multipliers[run][j] = high ? low[j] + 1.0f : low[j];
      total[j] += high ? high_error[j] : low_error[j];
    }
  }
}

// Finds scale and multipliers of one block by the squared error: the largest of the best steps is given the multiplier
// 15, 14, ... 12 in turn.
void quantise_q4(const float* weights, void* record) {
  float steps[kQuantRuns][kQuantPanel];
  float widest[kQuantPanel] = {};
  for (int run = 0; run < kQuantRuns; ++run) {
    best_steps(weights + run * kQuantRun * kQuantPanel, steps[run]);
    AZ_LANES widest[j] = steps[run][j] > widest[j] ? steps[run][j] : widest[j];
  }
  float largest[kQuantPanel];
  largest_magnitudes(weights, kQuantBlock, largest);
  AZ_LANES widest[j] += largest[j] * 0.0f;  // no change, but NaN where a weight is no number
  uint16_t scales[kQuantPanel];
  float best[kQuantRuns][kQuantPanel], least[kQuantPanel];
  for (int candidate = 0; candidate < 4; ++candidate) {
    uint16_t bits[kQuantPanel];
    float scale[kQuantPanel], multipliers[kQuantRuns][kQuantPanel], error[kQuantPanel];
    AZ_LANES {
      bits[j] = scale_bits(widest[j] / static_cast<float>(kMostMultiplier - candidate));
      scale[j] = scale_value(bits[j]);
    }
    choose_multipliers(weights, steps, scale, multipliers, error);
    AZ_LANES {
      const bool better = candidate == 0 || error[j] < least[j];
      least[j] = better ? error[j] : least[j];
      scales[j] = better ? bits[j] : scales[j];
      for (int run = 0; run < kQuantRuns; ++run) best[run][j] = better ? multipliers[run][j] : best[run][j];
    }
  }
  auto* quants = static_cast<uint8_t*>(record);
  auto* stored_scales = reinterpret_cast<uint16_t*>(quants + kQ4QuantBytes);
  uint8_t* stored_multipliers = quants + kQ4QuantBytes + kScaleBytes;
  uint8_t wide[kQ8QuantBytes];  // a byte each, [quad][output][4]
  for (int run = 0; run < kQuantRuns; ++run) {
    float inverse[kQuantPanel];
    AZ_LANES {
      const float step = best[run][j] * scale_value(scales[j]);
      inverse[j] = step > 0.0f ? 1.0f / step : 0.0f;
    }
    uint8_t row[kQuantPanel];
    for (int i = run * kQuantRun; i < (run + 1) * kQuantRun; ++i) {
      AZ_LANES row[j] = static_cast<uint8_t>(
          static_cast<int32_t>(clamp_quant(nearest(weights[i * kQuantPanel + j] * inverse[j]), kLowestQ4, kHighestQ4)) +
          kQ4Offset);
      AZ_LANES wide[quant_index(i) + 4 * j] = row[j];
    }
  }
  for (int pair = 0; pair < kQuantQuads / 2; ++pair) {
    for (int i = 0; i < kQuadBytes; ++i) {
      const int at = 2 * pair * kQuadBytes + i;
      quants[pair * kQuadBytes + i] = static_cast<uint8_t>(wide[at] | wide[at + kQuadBytes] << 4);
    }
  }
  AZ_LANES {
    stored_scales[j] = scales[j];
    for (int pair = 0; pair < kQuantRuns / 2; ++pair) {
      stored_multipliers[pair * kQuantPanel + j] =
          static_cast<uint8_t>(static_cast<int>(best[2 * pair][j]) | static_cast<int>(best[2 * pair + 1][j]) << 4);
    }
  }
}

#undef AZ_LANES

}  // namespace
}  // namespace azimuth::kernels
