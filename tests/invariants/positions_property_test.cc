// What holds for the positions of any prompt: random prompts of text, images and videos, adjacent blocks included,
// under every policy. `RC_PARAMS="seed=7 max_success=1000"` asks for other prompts or more of them.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "positions/policy.h"
#include "positions/rotary_cache.h"

namespace azimuth::positions {
namespace {

// Read when the first property runs: the same prompts every time, unless the caller says otherwise.
[[maybe_unused]] const int kSameEveryTime = setenv("RC_PARAMS", "seed=4 max_success=150", 0);

constexpr int kLayers = 4;
constexpr int kHeadDim = 32;
constexpr int kKvHeads = 8;

// ---- prompts

rc::Gen<std::string> text() {
  return rc::gen::map(rc::gen::inRange(1, 21), [](int tokens) { return "t" + std::to_string(tokens); });
}

// An image or a video of at most `most_cells`: rows and columns up to 12, frames up to 12.
rc::Gen<std::string> block(const std::string& kind, int most_cells) {
  const auto side = rc::gen::inRange(1, 13);
  return rc::gen::map(rc::gen::tuple(side, side, side), [=](const std::tuple<int, int, int>& sides) {
    const auto [frames, rows, columns] = sides;
    const int t = std::min(frames, std::max(1, most_cells / (rows * columns)));
    return kind + std::to_string(t) + "x" + std::to_string(rows) + "x" + std::to_string(columns);
  });
}

// Up to six segments as parse_segments reads them. Sizes do not grow with rapidcheck's own notion of size.
std::string any_prompt(int most_cells = 600) {
  const auto segment = rc::gen::resize(100, rc::gen::oneOf(text(), block("i", most_cells), block("v", most_cells)));
  const auto segments = *rc::gen::resize(6, rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(segment)));
  std::string prompt;
  for (const std::string& each : segments) prompt += (prompt.empty() ? "" : " ") + each;
  return prompt;
}

std::vector<Span> spans_of(const std::string& prompt) {
  Result<std::vector<Span>> spans = parse_segments(prompt);
  RC_ASSERT(spans.ok());
  return std::move(*spans);
}

// ---- policies

// Every built-in policy that can be chosen, and parameters that change what it does.
const std::vector<std::string>& policies() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> names = {"circle:age=strategy_2",
                                      "circle:age=strategy_3,radius=auto-2,alpha=1",
                                      "circle:age=strategy_4",
                                      "circle:dff=0.3,positive=1,stride=2.5",
                                      "hope:scale=1.5",
                                      "il:delta=2.5",
                                      "il:text0=1",
                                      "mhrope:delta=0.5",
                                      "interpolated:range=7.3",
                                      "mmrope:scale=1-2-3",
                                      "mrope25:tokens_per_second=5,second_per_grid=0.75",
                                      "mrope_i_reset:interval=100",
                                      "mrope_i_reset:text0=1",
                                      "omni:own_spectrum=1",
                                      "omni:text0=1",
                                      "pano1d:overlap=0.3",
                                      "pano_wrap:wrap=0",
                                      "region_relative:plan=one_axis",
                                      "v2pe:span=3.7",
                                      "videorope:delta=0.3",
                                      "videorope:plan=interleaved",
                                      "videorope:plan=videorope_jjj"};
    for (const auto& policy : all_policies()) {
      if (policy->mechanism != Mechanism::reserved) names.push_back(policy->name);
    }
    return names;
  }();
  return all;
}

PolicyInstance policy_of(const std::string& name) {
  Result<PolicyInstance> policy = find_policy(name);
  RC_ASSERT(policy.ok());
  return std::move(*policy);
}

bool turns(const std::string& name) {
  return policy_of(name).policy->mechanism == Mechanism::rotary;
}

PositionTable table_of(const std::string& name, std::span<const Span> spans, Compat compat = Compat::azimuth) {
  Result<PositionTable> table = layout_prompt(policy_of(name), spans, {.compat = compat, .layers = kLayers});
  if (!table.ok()) RC_FAIL(name + ": " + std::string(table.status().message()));
  return std::move(*table);
}

FrequencyPlan plan_of(const std::string& name, const RopeSpec& rope) {
  Result<FrequencyPlan> plan = make_plan(policy_of(name), {.rope = rope, .kv_heads = kKvHeads});
  if (!plan.ok()) RC_FAIL(name + ": " + std::string(plan.status().message()));
  return std::move(*plan);
}

void assert_equal(const PositionTable& found, const PositionTable& expected, const std::string& name) {
  RC_ASSERT(found.sets.size() == expected.sets.size());
  for (size_t set = 0; set < expected.sets.size(); ++set) {
    if (found.sets[set].ids != expected.sets[set].ids) RC_FAIL(name + ": other ids in set " + std::to_string(set));
    RC_ASSERT(found.sets[set].next_text == expected.sets[set].next_text);
    RC_ASSERT(found.sets[set].next_decode == expected.sets[set].next_decode);
  }
  RC_ASSERT(found.set_of_layer == expected.set_of_layer);
}

// ---- layouts

RC_GTEST_PROP(PositionProperties, EveryTokenHasAFiniteIdInEverySet, ()) {
  const std::vector<Span> spans = spans_of(any_prompt());
  for (const std::string& name : policies()) {
    const PositionTable table = table_of(name, spans);
    RC_ASSERT(table.validate(spans.back().end).ok());
    RC_ASSERT(table.sets.size() == (name.find("age=") == std::string::npos ? 1u : 2u));
    if (!table.integral) continue;
    for (const float id : table.sets[0].ids) {
      if (id != std::round(id)) RC_FAIL(name + " says that ids are whole, and gives " + std::to_string(id));
    }
  }
}

RC_GTEST_PROP(PositionProperties, LayoutGoesOnAtEverySpanEnd, ()) {
  const std::vector<Span> spans = number_views(spans_of(any_prompt()));
  const auto cut = *rc::gen::inRange<size_t>(0, spans.size() + 1);
  const LayoutOptions options{.compat = *rc::gen::element(Compat::azimuth, Compat::tf5), .layers = kLayers};
  const std::span<const Span> all(spans);
  for (const std::string& name : policies()) {
    PositionTable table;
    PositionState state;
    const PolicyInstance policy = policy_of(name);
    RC_ASSERT(layout_continue(policy, all.first(cut), options, state, table).ok());
    RC_ASSERT(layout_continue(policy, all.subspan(cut), options, state, table).ok());
    assert_equal(table, table_of(name, spans, options.compat), name);
  }
}

// Text of `tokens` behind the prompt: as a span of its own, or as part of the text that the prompt ends with.
std::vector<Span> with_text(std::vector<Span> spans, int64_t tokens, bool joined) {
  Span added;
  added.begin = spans.back().end;
  added.end = added.begin + tokens;
  if (joined && spans.back().kind == SpanKind::text) {
    spans.back().end = added.end;
  } else {
    spans.push_back(added);
  }
  return spans;
}

RC_GTEST_PROP(PositionProperties, GeneratedTokensHaveTheIdsOfTextInALongerPrompt, ()) {
  const std::vector<Span> spans = spans_of(any_prompt());
  const int64_t generated = *rc::gen::inRange<int64_t>(1, 40);
  const std::vector<Span> longer = with_text(spans, generated, *rc::gen::arbitrary<bool>());
  for (const std::string& name : policies()) {
    const PositionTable before = table_of(name, spans);
    const PositionTable after = table_of(name, longer);
    for (size_t set = 0; set < before.sets.size(); ++set) {
      const PositionSet& prompt = before.sets[set];
      std::vector<float> expected = prompt.ids;
      std::vector<float> step(static_cast<size_t>(prompt.axes));
      for (int64_t j = 0; j < generated; ++j) {
        prompt.decode_ids(j, step.data());
        expected.insert(expected.end(), step.begin(), step.end());
      }
      if (after.sets[set].ids != expected) RC_FAIL(name + ": decoding is not prefilling, set " + std::to_string(set));
    }
  }
}

// The two that say that they do not: transformers 5's text after videos, and the released CircleRoPE with AGE.
TEST(PositionPropertiesTest, CompatFormsDecodeElsewhere) {
  const std::vector<Span> spans = *parse_segments("t3 v8x2x2 t3");
  for (const char* name : {"mrope:compat=tf5", "circle:age=strategy_4,compat=released"}) {
    const PositionTable before = *layout_prompt(*find_policy(name), spans, {.layers = kLayers});
    const PositionTable after = *layout_prompt(*find_policy(name), with_text(spans, 1, true), {.layers = kLayers});
    float decoded[3];
    before.sets.back().decode_ids(0, decoded);
    EXPECT_NE(decoded[0], after.sets.back().token(after.sets[0].tokens() - 1)[0]) << name;
  }
}

RC_GTEST_PROP(PositionProperties, APromptOfTextHasTheIdsOfTheBaseModel, ()) {
  const int64_t tokens = *rc::gen::inRange<int64_t>(1, 3000);
  const std::vector<Span> spans = spans_of("t" + std::to_string(tokens));
  for (const std::string& name : policies()) {
    const PositionTable table = table_of(name, spans);
    const double start = policy_of(name).policy->start;
    RC_ASSERT(start == (name == "paligemma" ? 1.0 : 0.0));
    for (const PositionSet& set : table.sets) {
      for (int64_t token = 0; token < tokens; ++token) {
        for (int axis = 0; axis < set.axes; ++axis) {
          const bool advances = axis == 0 || name.find("text0") == std::string::npos;
          RC_ASSERT(set.token(token)[axis] ==
                    (advances ? static_cast<float>(start + static_cast<double>(token)) : 0.0f));
        }
      }
      RC_ASSERT(set.next_text == start + static_cast<double>(tokens));
      RC_ASSERT(set.next_decode == set.next_text);
    }
  }
}

// Tokens that are pruned leave holes: the others keep their coordinates, and text goes on where it would have.
RC_GTEST_PROP(PositionProperties, PruningRenumbersNobody, ()) {
  const std::vector<Span> spans = spans_of(any_prompt(100));
  const auto dropped =
      *rc::gen::container<std::vector<bool>>(static_cast<size_t>(spans.back().end), rc::gen::arbitrary<bool>());
  std::vector<int64_t> kept;
  for (size_t token = 0; token < dropped.size(); ++token) {
    if (!dropped[token]) kept.push_back(static_cast<int64_t>(token));
  }
  for (const std::string& name : policies()) {
    const PositionTable whole = table_of(name, spans);
    const Result<PositionTable> pruned = whole.keep(kept);
    RC_ASSERT(pruned.ok());
    for (size_t set = 0; set < whole.sets.size(); ++set) {
      const PositionSet& left = pruned->sets[set];
      RC_ASSERT(left.tokens() == static_cast<int64_t>(kept.size()));
      for (size_t i = 0; i < kept.size(); ++i) {
        const float* before = whole.sets[set].token(kept[i]);
        RC_ASSERT(std::equal(before, before + left.axes, left.token(static_cast<int64_t>(i))));
      }
      RC_ASSERT(left.next_decode == whole.sets[set].next_decode);
      RC_ASSERT(left.next_text == whole.sets[set].next_text);
    }
  }
}

// A block whose tokens are not its cells: policies that read the grid refuse it, the others count tokens.
RC_GTEST_PROP(PositionProperties, BlocksThatDoNotFitTheirGridAreRefused, ()) {
  std::vector<Span> spans = spans_of(any_prompt() + " i1x3x4");
  const int64_t extra = *rc::gen::element<int64_t>(-1, 1, 3);
  spans.back().end += extra;
  for (const std::string& name : policies()) {
    const Result<PositionTable> table = layout_prompt(policy_of(name), spans, {.layers = kLayers});
    const PolicyInstance policy = policy_of(name);
    const bool reads_the_grid = policy.policy->axes == 3 && name.find("one_axis") == std::string::npos;
    RC_ASSERT(table.ok() != reads_the_grid);
    if (table.ok()) {
      RC_ASSERT(table->sets[0].tokens() == spans.back().end);
    } else {
      RC_ASSERT(table.status().code() == StatusCode::invalid_argument);
      RC_ASSERT(table.status().message().find("1 x 3 x 4 cells") != std::string::npos);
    }
  }
}

RC_GTEST_PROP(PositionProperties, NumbersThatF32CannotTellApartAreRefused, ()) {
  const std::vector<Span> spans = spans_of(any_prompt(100));
  PositionTable table = table_of(*rc::gen::elementOf(policies()), spans);
  PositionSet& set = table.sets[*rc::gen::inRange<size_t>(0, table.sets.size())];
  const float bad = *rc::gen::element(std::nanf(""), std::numeric_limits<float>::infinity(), kMaxPositionId,
                                      -std::numeric_limits<float>::infinity(), -kMaxPositionId);
  const auto place = *rc::gen::inRange<size_t>(0, set.ids.size() + 2);
  if (place < set.ids.size()) {
    set.ids[place] = bad;
  } else {
    (place == set.ids.size() ? set.next_text : set.next_decode) = static_cast<double>(bad);
  }
  RC_ASSERT(table.validate(spans.back().end).code() == StatusCode::out_of_range);
}

// Intervals of a million: a prompt with enough blocks leaves the range, and is refused exactly then.
RC_GTEST_PROP(PositionProperties, LayoutsStayInRange, ()) {
  const int blocks = *rc::gen::inRange(1, 12);
  std::string prompt = "t1";
  for (int i = 0; i < blocks; ++i) prompt += " i1x2x3";
  const Result<PositionTable> table = layout_prompt(policy_of("mrope_i_reset:interval=1000000"), spans_of(prompt), {});
  const double next = 1.0 + blocks * (2e6 + 3.0);
  RC_ASSERT(table.ok() == (next < static_cast<double>(kMaxPositionId)));
  if (!table.ok()) RC_ASSERT(table.status().code() == StatusCode::out_of_range);
}

// ---- frequencies

RopeSpec any_rope() {
  RopeSpec rope;
  rope.theta = *rc::gen::element(1e4, 1e6, 5e6);
  rope.rotary_dim = 2 * *rc::gen::inRange(1, 129);
  rope.scaling = *rc::gen::element(RopeScaling::none, RopeScaling::linear, RopeScaling::yarn, RopeScaling::llama3);
  rope.factor = *rc::gen::element(1.0, 2.0, 8.0);
  rope.original_max_positions = 4096;
  return rope;
}

RopeSpec plain_rope() {
  RopeSpec rope;
  rope.rotary_dim = kHeadDim;
  return rope;
}

RotaryTable rotary_of(const FrequencyPlan& plan, std::span<const float> ids, int axes) {
  RotaryTable table;
  append_rotary(plan, ids.data(), static_cast<int64_t>(ids.size()) / axes, axes, table);
  return table;
}

// True where the policy changes what text sees, by its definition: HoPE's time does not turn, own spectra differ from
// the shared one, and text0 takes two axes away.
bool changes_text(const std::string& name) {
  return name.starts_with("hope") || name.find("own_spectrum") != std::string::npos ||
         name.find("text0") != std::string::npos;
}

RC_GTEST_PROP(PositionProperties, TextTurnsAsInTheBaseModelBitForBit, ()) {
  const RopeSpec rope = any_rope();
  const std::vector<Span> spans = spans_of("t" + std::to_string(*rc::gen::inRange(1, 200)));
  for (const std::string& name : policies()) {
    if (!turns(name) || changes_text(name)) continue;
    PositionTable own = table_of(name, spans);
    PositionTable base = table_of(name == "paligemma" ? name : "vanilla", spans);
    const RotaryTable expected = rotary_of(plan_of("vanilla", rope), base.sets[0].ids, 1);
    for (const PositionSet& set : own.sets) {
      const RotaryTable found = rotary_of(plan_of(name, rope), set.ids, set.axes);
      const auto pairs = static_cast<size_t>(found.pairs);
      RC_ASSERT(found.pairs == expected.pairs);
      for (size_t i = 0; i < found.cosines.size(); ++i) {
        const size_t token = i / (pairs * static_cast<size_t>(found.groups));
        const size_t same = token * pairs + i % pairs;
        if (found.cosines[i] != expected.cosines[same] || found.sines[i] != expected.sines[same]) {
          RC_FAIL(name + " turns token " + std::to_string(token) + " in another way than the base model");
        }
      }
    }
  }
}

// The exceptions are exceptions: what is left out above would fail.
TEST(PositionPropertiesTest, SomePoliciesChangeText) {
  const std::vector<Span> spans = *parse_segments("t9");
  const RotaryTable base =
      rotary_of(plan_of("vanilla", plain_rope()), layout_prompt(*find_policy("vanilla"), spans, {})->sets[0].ids, 1);
  for (const std::string& name : policies()) {
    if (!turns(name) || !changes_text(name)) continue;
    const PositionTable table = *layout_prompt(*find_policy(name), spans, {});
    EXPECT_NE(rotary_of(plan_of(name, plain_rope()), table.sets[0].ids, 3).cosines, base.cosines) << name;
  }
}

RC_GTEST_PROP(PositionProperties, PublishedSectionsScaleToAnyHead, ()) {
  const int pairs = *rc::gen::inRange(1, 257);
  for (const std::string& name : allocation_names()) {
    const AllocationKind kind = *find_allocation(name);
    const std::vector<int> published = published_section(kind);
    if (published.empty() || kind == AllocationKind::per_head) continue;
    const std::vector<int> section = scale_section(published, pairs);
    const Result<AxisMap> map = allocate(kind, section, pairs, kKvHeads);
    if (!map.ok()) RC_FAIL(name + ": " + std::string(map.status().message()));
    if (kind == AllocationKind::videorope_jjj || kind == AllocationKind::hope) continue;  // by definition not
    for (int axis = 0; axis < 3; ++axis) {
      RC_ASSERT(std::ranges::count(map->axis, static_cast<int8_t>(axis)) == section[static_cast<size_t>(axis)]);
    }
  }
}

// One cache for many prompts, too small for them: each token has the rows that it has alone.
RC_GTEST_PROP(PositionProperties, PromptsDoNotDisturbEachOther, ()) {
  const std::string name = *rc::gen::suchThat(rc::gen::elementOf(policies()), turns);
  const FrequencyPlan plan = plan_of(name, plain_rope());
  const size_t row_bytes = 2 * sizeof(float) * static_cast<size_t>(plan.groups * plan.pairs);
  RotaryCache cache(plan, row_bytes * *rc::gen::inRange<size_t>(1, 40));
  for (int row = 0; row < 3; ++row) {
    const PositionTable table = table_of(name, spans_of(any_prompt(200)));
    const PositionSet& set = table.sets.back();
    RotaryTable shared;
    cache.append(set.ids.data(), set.tokens(), set.axes, shared);
    const RotaryTable alone = rotary_of(plan, set.ids, set.axes);
    RC_ASSERT(shared.cosines == alone.cosines);
    RC_ASSERT(shared.sines == alone.sines);
  }
}

// ---- scores

// `tokens` heads of unit length, [tokens, kv heads, head_dim].
std::vector<float> any_heads(size_t tokens) {
  const auto seed = *rc::gen::arbitrary<uint32_t>();
  std::vector<float> heads(tokens * kKvHeads * kHeadDim);
  uint64_t state = seed;
  for (float& value : heads) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    value = static_cast<float>(static_cast<double>(state >> 40) / static_cast<double>(1 << 23) - 1.0);
  }
  for (size_t head = 0; head < tokens * kKvHeads; ++head) {
    double square = 0.0;
    for (size_t c = 0; c < kHeadDim; ++c) square += std::pow(heads[head * kHeadDim + c], 2.0);
    for (size_t c = 0; c < kHeadDim; ++c) heads[head * kHeadDim + c] /= static_cast<float>(std::sqrt(square));
  }
  return heads;
}

// `heads` as attention sees them at `ids` [tokens, axes].
std::vector<float> turned(const FrequencyPlan& plan, std::span<const float> ids, int axes, std::vector<float> heads,
                          Pairing pairing) {
  ThreadPool pool(1);
  const RotaryTable table = rotary_of(plan, ids, axes);
  const auto tokens = static_cast<int64_t>(ids.size()) / axes;
  kernels::rotate(heads.data(), tokens, kKvHeads, kHeadDim, kKvHeads * kHeadDim, table.cosines.data(),
                  table.sines.data(), table.pairs, table.groups, pairing == Pairing::halves, pool);
  return heads;
}

// q.k / sqrt(head_dim) of every query token with every key token in every head.
std::vector<double> scores_of(const std::vector<float>& queries, const std::vector<float>& keys) {
  constexpr size_t kWidth = size_t{kKvHeads} * kHeadDim;
  std::vector<double> scores;  // [queries, keys, heads]
  for (size_t q = 0; q < queries.size(); q += kWidth) {
    for (size_t k = 0; k < keys.size(); k += kWidth) {
      for (size_t head = 0; head < kWidth; head += kHeadDim) {
        double sum = 0.0;
        for (size_t c = head; c < head + kHeadDim; ++c) sum += static_cast<double>(queries[q + c]) * keys[k + c];
        scores.push_back(sum / std::sqrt(kHeadDim));
      }
    }
  }
  return scores;
}

// Ids of a few tokens of a prompt, [tokens, axes].
std::vector<float> some_ids(const PositionSet& set, int64_t tokens) {
  std::vector<float> ids;
  for (int64_t i = 0; i < tokens; ++i) {
    const float* id = set.token(*rc::gen::inRange<int64_t>(0, set.tokens()));
    ids.insert(ids.end(), id, id + set.axes);
  }
  return ids;
}

// Ids stay below 2100 here. An angle is off by at most 2100 * 2^-24 (rounding of the product), four angles take part in
// the difference of two scores, and unit vectors over sqrt(32) make of it 4 * 2100 * 2^-24 / 5.66 = 9e-5 at most.
RC_GTEST_PROP(PositionProperties, ShiftingAllIdsLeavesScores, ()) {
  const std::vector<Span> spans = spans_of(any_prompt(150));
  const auto shift = static_cast<float>(*rc::gen::inRange(-500, 500));
  const std::vector<float> queries = any_heads(6);
  const std::vector<float> keys = any_heads(6);
  for (const std::string& name : policies()) {
    if (!turns(name)) continue;
    const FrequencyPlan plan = plan_of(name, plain_rope());
    const PositionTable table = table_of(name, spans);
    for (const PositionSet& set : table.sets) {
      std::vector<float> ids = some_ids(set, 6);
      std::vector<float> moved = ids;
      for (float& id : moved) id += shift;
      const auto at = [&](const std::vector<float>& places) {
        return scores_of(turned(plan, places, set.axes, queries, Pairing::halves),
                         turned(plan, places, set.axes, keys, Pairing::halves));
      };
      const std::vector<double> before = at(ids);
      const std::vector<double> after = at(moved);
      for (size_t i = 0; i < before.size(); ++i) {
        if (!(std::fabs(before[i] - after[i]) < 1e-4)) {
          RC_FAIL(name + ": a score moved by " + std::to_string(after[i] - before[i]));
        }
      }
    }
  }
}

// Channel p of halves is channel 2p of interleaved pairs, and p + pairs is 2p + 1.
std::vector<float> interleaved(const std::vector<float>& heads) {
  std::vector<float> out(heads.size());
  for (size_t i = 0; i < heads.size(); ++i) {
    const size_t channel = i % kHeadDim;
    const size_t moved = channel < kHeadDim / 2 ? 2 * channel : 2 * (channel - kHeadDim / 2) + 1;
    out[i - channel + moved] = heads[i];
  }
  return out;
}

RC_GTEST_PROP(PositionProperties, PairingsAgreeAfterThePermutation, ()) {
  const std::string name = *rc::gen::suchThat(rc::gen::elementOf(policies()), turns);
  const FrequencyPlan plan = plan_of(name, plain_rope());
  const PositionTable table = table_of(name, spans_of(any_prompt(100)));
  const PositionSet& set = table.sets[0];
  const std::vector<float> ids = some_ids(set, 5);
  const std::vector<float> heads = any_heads(5);
  const auto halves = interleaved(turned(plan, ids, set.axes, heads, Pairing::halves));
  const auto pairs = turned(plan, ids, set.axes, interleaved(heads), Pairing::interleaved);
  // Two products and a sum of numbers up to 1, in whichever order a kernel forms them: 4 * 2^-24.
  for (size_t i = 0; i < halves.size(); ++i) RC_ASSERT(std::fabs(halves[i] - pairs[i]) <= 2.4e-7f);
}

}  // namespace
}  // namespace azimuth::positions
