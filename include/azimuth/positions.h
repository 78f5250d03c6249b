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
inline constexpr int kMaxPositionAxes = 8;

// One id per token and axis, and how the sequence goes on.
struct PositionSet {
  int axes = 1;
  std::vector<float> ids;     // [tokens, axes]
  double next_text = 0.0;     // id of a text token that would follow the prompt
  double next_decode = 0.0;   // id of the first generated token; differs from next_text only where a release does so
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
  // The table of the tokens that are left when others are pruned: survivors keep their coordinates, and what follows
  // the prompt stays where it was. `kept` ascends. out_of_range for an index that the table has no token for.
  Result<PositionTable> keep(std::span<const int64_t> kept) const;
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

// What a layout needs to go on at the end of a span, of one id set.
struct LayoutRun {
  // P of positions.md 0.2. Kept on a grid of 2^-20, so that adding whole numbers to it is exact: a token generated at
  // step j then has, bit for bit, the id that it gets as the j-th text token of a longer prompt.
  double next_text = 0.0;
  double max_id = -1.0;            // largest id given so far, over all axes
  bool decode_behind_max = false;  // decoding goes on behind max_id instead of at next_text (compat=tf5)
  // Of the panorama that is being read: P at its first view (or tile), views seen and all of them, largest rows,
  // columns.
  double region_start = 0.0;
  int view = 0;
  int views = 0;
  int64_t region_rows = 0;
  int64_t region_columns = 0;
};

struct PositionState {
  std::vector<LayoutRun> runs;  // one per id set; empty before the first span
};

struct LayoutOptions {
  Compat compat = Compat::azimuth;
  int layers = 0;  // of the decoder; 0: without a model, set_of_layer stays empty
};

// ---- choosing and adding policies

// One parameter of a policy, for people.
struct PolicyParameter {
  std::string name;
  std::string fallback;  // "": unset
  std::string help;
};

// A position policy, for people.
struct PolicyDescription {
  std::string name;
  std::string summary;
  std::string source;     // paper, model family or file
  std::string mechanism;  // "rotary", "embedding", "score term", "reserved"
  int axes = 1;
  std::string plan;  // the frequency plan that it runs with
  std::vector<PolicyParameter> parameters;
};

// Names of the position policies, in alphabetical order, registered ones included.
std::vector<std::string> position_policies();
std::vector<PolicyDescription> describe_position_policies();

// A layout in code. It gets the spans of one prompt and what the built-in rules would say (`layout`), and returns the
// table of all tokens. It must be a function of its arguments: it is called again when a conversation goes on.
struct PositionRequest {
  std::span<const Span> spans;
  LayoutOptions options;
  // The table of the same prompt under another policy, "vanilla" or "videorope:delta=2".
  std::function<Result<PositionTable>(std::string_view policy)> layout;
};
using PositionFunction = std::function<Result<PositionTable>(const PositionRequest& request)>;

// Adds a policy under `name`, which then works wherever built-in ones do. `plan`: the built-in policy whose frequency
// plan it runs with ("mrope_i"); its ids need as many axes. Errors: a name that is taken or holds anything but letters,
// digits and underscores; an unknown plan.
Status register_position_policy(const std::string& name, const std::string& plan, PositionFunction layout);

// ---- without a model

// Spans of an abstract prompt: "t5 i1x4x6 t3" is 5 text tokens, an image of 1 x 4 x 6 cells (counted after merging),
// and 3 text tokens; v is a video. Errors: the part that does not read, prompts beyond kMaxAbstractTokens.
Result<std::vector<Span>> parse_segments(std::string_view text);
inline constexpr int64_t kMaxAbstractTokens = int64_t{1} << 22;

// The head that an abstract prompt is laid out for.
struct HeadOptions {
  int head_dim = 128;
  double base = 10000.0;
  int kv_heads = 8;
  std::vector<int> section;  // rotary pairs per axis, or KV heads for a plan per head; empty: the policy's own
  std::string scaling;       // Hugging Face's rope_parameters as JSON ("rope_type", "factor", ...); "": none
  int64_t length = 0;        // what dynamic scalings see; 0: the largest id plus 1
  Compat compat = Compat::azimuth;
  // An interleave that runs past the last pair gets fewer pairs, as in the references, instead of being refused.
  bool cuts_section = false;
};

// A spectrum with the layers that it belongs to ("" where all layers have the same).
struct NamedPlan {
  std::string layer_type;
  FrequencyPlan plan;
};

// Positions and frequencies of a prompt under one policy.
struct PositionLayout {
  std::string policy;  // with its parameters
  PositionTable positions;
  std::vector<NamedPlan> plans;  // one per layer type; empty for policies that turn nothing
  bool declares_curved = false;  // the policy bends its grid on purpose (CircleRoPE)
  bool declares_shared = false;  // the policy gives tokens equal ids on purpose
};

// `spans` under the policy `name`, without a model.
Result<PositionLayout> layout_spans(const std::string& policy, std::span<const Span> spans, const HeadOptions& head);

}  // namespace azimuth
