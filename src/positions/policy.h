// Position policies: each is a layout (which coordinates a token gets) and an allocation (which coordinate turns which
// rotary pair), named as on the command line, "name:key=value,...". A new policy is one small file in layout/ that
// fills a Policy, and one line in registry.cc.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "azimuth/positions.h"
#include "positions/frequency/allocation.h"
#include "positions/parameters.h"
#include "spec/rope_spec.h"

namespace azimuth::positions {

// One span on its way through a layout.
struct LayoutInput {
  const Span& span;
  const Parameters& parameters;
  Compat compat = Compat::azimuth;
};

// Appends the ids of one span to `set` and advances `run`, whose P is the running position of positions.md, section
// 0.2.
using SpanLayout = void (*)(const LayoutInput& input, LayoutRun& run, PositionSet& set);

// Another name: a regular expression, and the parameters that it stands for, in which $1 is its first group.
struct Alias {
  std::string pattern;
  std::string parameters;
};

// How positions reach the decoder.
enum class Mechanism : uint8_t {
  rotary,      // queries and keys turn
  embedding,   // a vector is added to each token's embedding; nothing turns
  score_term,  // a term is added to the attention scores; nothing turns
  reserved,    // only a name: choosing it is refused with `summary` as the reason
};

struct Policy {
  std::string name;
  std::string summary;  // one line for people
  std::string source;   // paper, model family or file
  std::vector<Alias> aliases = {};
  std::vector<Parameter> parameters = {};
  Mechanism mechanism = Mechanism::rotary;
  int axes = 1;
  double start = 0.0;  // P of the first token
  SpanLayout layout = nullptr;
  // A second id set beside the first, where the parameters ask for one (CircleRoPE's AGE): its layout, and the set of
  // each layer (empty: all layers use the first set, and there is no second).
  SpanLayout second_layout = nullptr;
  std::vector<int> (*set_of_layer)(const Parameters& parameters, int layers) = nullptr;
  bool adapts_axes = false;      // gives ids on one axis under a one-axis plan
  bool views = false;            // reads Span::view; a prompt without views has its visual blocks numbered
  bool declares_curved = false;  // cells do not lie on a lattice, on purpose
  bool shares_ids = false;       // blocks or tokens share ids on purpose
  bool (*integral)(const Parameters& parameters) = nullptr;      // nullptr: always whole numbers
  uint8_t (*text_axes)(const Parameters& parameters) = nullptr;  // nullptr: text advances all axes
  Status (*check)(const Parameters& parameters) = nullptr;       // of parameters that depend on each other
  AllocationKind allocation = AllocationKind::one_axis;
  std::shared_ptr<const PositionFunction> function = nullptr;  // a registered layout, in place of `layout`
};

// A policy with its parameters.
struct PolicyInstance {
  std::shared_ptr<const Policy> policy;
  Parameters parameters;

  // As find_policy takes it: "videorope:delta=2".
  std::string spelling() const;
};

// The policy that `text` names: "name", "name:key=value,...", an alias, or a registered one. Errors: not_found with the
// nearest name; what is wrong with a parameter.
Result<PolicyInstance> find_policy(std::string_view text);
// The built-in ones, in alphabetical order.
const std::vector<std::shared_ptr<const Policy>>& all_policies();

// The table of a prompt. Pure: the same spans give the same table.
Result<PositionTable> layout_prompt(const PolicyInstance& policy, std::span<const Span> spans,
                                    const LayoutOptions& options);

// Goes on at the end of `table`, which earlier calls with `state` made: a conversation's next turn. Policies that read
// views want them numbered over the whole prompt before it is cut (number_views).
Status layout_continue(const PolicyInstance& policy, std::span<const Span> spans, const LayoutOptions& options,
                       PositionState& state, PositionTable& table);

// Spans whose visual blocks carry view numbers: those of a panorama if there is one, otherwise the blocks in order, the
// first of which is the global view.
std::vector<Span> number_views(std::span<const Span> spans);

// What a plan is made for.
struct PlanRequest {
  RopeSpec rope;
  int kv_heads = 8;
  int64_t length = 0;  // largest id of the sequence, plus 1: what dynamic scalings see
  // The kind of plan that rope.section belongs to. A policy with another kind takes its own published section, scaled
  // to the head by largest remainder.
  AllocationKind section_kind = AllocationKind::one_axis;
  bool cuts_section = false;  // as allocate's `cuts`
};

Result<FrequencyPlan> make_plan(const PolicyInstance& policy, const PlanRequest& request);

// The allocation that the policy runs with, after its parameter "plan".
AllocationKind allocation_of(const PolicyInstance& policy);

}  // namespace azimuth::positions
