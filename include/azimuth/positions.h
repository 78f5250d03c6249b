// Positions as data: what every token's coordinates are (PositionTable) and which frequency turns for which coordinate
// (FrequencyPlan). A position policy is a layout that makes the first and a plan that makes the second.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "azimuth/prompt.h"
#include "azimuth/status.h"

namespace azimuth {

// Coordinates are stored token-major, so that any chunk of a prompt is a slice, and as f32, because some policies use
// fractions. |id| >= 2^24 is refused: whole numbers beyond it have no f32. Axes are always in the order t, h, w.
inline constexpr float kMaxPositionId = 16777216.0f;

// One id per token and axis, and how the sequence goes on.
struct PositionSet {
  int axes = 1;
  std::vector<float> ids;     // [tokens, axes]
  float next_text = 0.0f;     // id of a text token that would follow the prompt
  float next_decode = 0.0f;   // id of the first generated token; differs from next_text only under compat=tf5
  uint8_t text_axes = 0b111;  // bit a set: text advances axis a; otherwise text has id 0 there

  int64_t tokens() const { return static_cast<int64_t>(ids.size()) / axes; }
  const float* token(int64_t index) const { return ids.data() + index * axes; }
  // Id of decode step `step` (0-based) on each axis, written to out [axes].
  void decode_ids(int64_t step, float* out) const;
};

// The positions of one sequence: one id set, or several that layers choose from (CircleRoPE's AGE).
struct PositionTable {
  std::vector<PositionSet> sets;
  std::vector<int> set_of_layer;  // [layers]; empty: every layer uses set 0
  bool integral = true;           // all ids are whole numbers by construction

  const PositionSet& set_for_layer(int layer) const { return sets[set_of_layer.empty() ? 0 : set_of_layer[layer]]; }
  // Refuses NaN, infinities, |id| >= 2^24, and id counts that are not tokens x axes.
  Status validate(int64_t tokens) const;
};

// Which channels of a head form a rotary pair.
enum class Pairing : uint8_t {
  halves,       // p with p + pairs (NeoX, Llama, Qwen)
  interleaved,  // 2p with 2p + 1 (GPT-J, rope-vit)
};

// Which coordinate turns which rotary pair, how fast, for each group of KV heads.
struct FrequencyPlan {
  int groups = 1;                // groups of KV heads that turn differently; 1: all heads alike
  int pairs = 0;                 // rotary pairs; channels beyond 2 * pairs pass through
  std::vector<int8_t> axis;      // [groups, pairs]; -1: this pair never turns
  std::vector<float> inv_freq;   // [groups, pairs], radians per unit of id
  float attention_scale = 1.0f;  // multiplies cosine and sine
  Pairing pairing = Pairing::halves;
};

// Behaviour of a transformers release where releases disagree (docs/architecture.md, "Numbers").
enum class Compat : uint8_t { azimuth, tf5, tf4 };
Result<Compat> parse_compat(std::string_view name);

// What a layout needs to go on at the end of a span.
struct PositionState {
  float next_text = 0.0f;
  float max_id = -1.0f;  // largest id given so far, over all axes
};

struct LayoutOptions {
  Compat compat = Compat::azimuth;
};

// Names of the built-in position policies, in alphabetical order.
std::vector<std::string> position_policies();

}  // namespace azimuth
