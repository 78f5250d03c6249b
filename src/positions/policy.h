// Position policies: each is a layout (which coordinates a token gets) and an allocation (which coordinate turns which
// rotary pair), named as in shared vectors and on the command line. A new policy is one small file that fills a Policy
// and one line in registry.cc.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "azimuth/positions.h"
#include "spec/rope_spec.h"

namespace azimuth::positions {

// Appends the ids of one span to `set` and advances `state`. `state.next_text` is the running position P of
// positions.md, section 0.2.
using SpanLayout = void (*)(const Span& span, const LayoutOptions& options, PositionState& state, PositionSet& set);

// Axis of every rotary pair for a section [pairs of t, of h, of w], or a refusal.
using Allocation = Result<std::vector<int8_t>> (*)(std::span<const int> section, int pairs);

struct Policy {
  std::string name;
  std::vector<std::string> aliases;
  std::string summary;  // one line for people
  int axes = 1;
  bool integral = true;
  SpanLayout layout = nullptr;
  Allocation allocation = nullptr;
  std::vector<int> section;  // the published section, for 64 pairs; empty for one axis
};

// The policy of this name or alias; the failure lists the nearest names.
Result<const Policy*> find_policy(std::string_view name);
const std::vector<Policy>& all_policies();

// The table of a prompt. Pure: the same spans give the same table.
Result<PositionTable> layout_prompt(const Policy& policy, std::span<const Span> spans, const LayoutOptions& options);

// Goes on at the end of `table`, which earlier calls with `state` made: a conversation's next turn.
Status layout_continue(const Policy& policy, std::span<const Span> spans, const LayoutOptions& options,
                       PositionState& state, PositionTable& table);

// The plan of `policy` on a decoder's spectrum. `own_section`: use the checkpoint's section, because the policy is the
// checkpoint's; otherwise the policy's published section scaled to the head by largest remainder (ties t, h, w).
Result<FrequencyPlan> make_plan(const Policy& policy, const RopeSpec& rope, bool own_section);

}  // namespace azimuth::positions
