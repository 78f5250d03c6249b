// The implemented policies and spectra against tests/golden/positions/vectors.json, most of which
// reference implementations wrote (its "mark" and "from" say which). The tolerances are the file's own.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "positions/frequency/allocation.h"
#include "positions/frequency/spectrum.h"
#include "positions/policy.h"
#include "positions/rotary_cache.h"

namespace azimuth::positions {
namespace {

using nlohmann::json;

const json& vectors() {
  static const json all =
      json::parse(std::ifstream(std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/positions/vectors.json"));
  return all;
}

// Segments as the vectors write them: ["t", n], ["i", T, h, w], ["v", T, h, w].
std::vector<Span> spans_of(const json& segments) {
  std::vector<Span> spans;
  int64_t token = 0;
  for (const json& segment : segments) {
    Span span;
    const std::string kind = segment[0];
    span.kind = kind == "t" ? SpanKind::text : kind == "i" ? SpanKind::image : SpanKind::video;
    if (kind != "t") span.grid = {segment[1], segment[2], segment[3]};
    span.begin = token;
    token += kind == "t" ? segment[1].get<int64_t>() : span.grid.cells();
    span.end = token;
    spans.push_back(span);
  }
  return spans;
}

PositionTable layout_of(const std::string& policy, const json& segments) {
  const Result<PolicyInstance> instance = find_policy(policy);
  EXPECT_TRUE(instance.ok()) << instance.status().message();
  Result<PositionTable> table = layout_prompt(*instance, spans_of(segments), {});
  EXPECT_TRUE(table.ok()) << table.status().message();
  return std::move(*table);
}

std::vector<std::string> id_keys() {
  std::vector<std::string> keys;
  for (const auto& [key, cases] : vectors()["ids"].items()) keys.push_back(key);
  return keys;
}

// Each key of the vectors is an alias of a policy with its parameters.
class Ids : public ::testing::TestWithParam<std::string> {};

TEST_P(Ids, EqualTheVectors) {
  const json& cases = vectors()["ids"][GetParam()];
  ASSERT_GE(cases.size(), 3u);
  for (const auto& [input, expected] : cases.items()) {
    SCOPED_TRACE(input);
    const PositionTable table = layout_of(GetParam(), vectors()["inputs"][input]);
    const PositionSet& set = table.sets[0];
    const float tolerance = table.integral ? 0.0f : 1e-4f;  // the vectors' own for fractional ids
    const bool shared_row = expected["rows"] == 1;
    for (int axis = 0; axis < set.axes; ++axis) {
      const json& row = shared_row ? expected["ids"] : expected["ids"][static_cast<size_t>(axis)];
      ASSERT_EQ(static_cast<int64_t>(row.size()), set.tokens());
      for (int64_t token = 0; token < set.tokens(); ++token) {
        ASSERT_NEAR(set.token(token)[axis], row[static_cast<size_t>(token)].get<float>(), tolerance)
            << "axis " << axis << ", token " << token;
      }
    }
    EXPECT_NEAR(set.next_decode - static_cast<double>(set.tokens()), expected["delta"].get<double>(), tolerance);
    for (int64_t step = 0; step < 2; ++step) {
      std::vector<float> ids(static_cast<size_t>(set.axes));
      set.decode_ids(step, ids.data());
      EXPECT_NEAR(ids[0], expected["decode"][static_cast<size_t>(step)].get<float>(), tolerance);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, Ids, ::testing::ValuesIn(id_keys()), [](const auto& each) {
  std::string name = each.param;
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
});

TEST(Layout, GoesOnAtTheEndOfASpan) {
  for (const auto& policy : all_policies()) {
    if (policy->mechanism == Mechanism::reserved) continue;
    const PolicyInstance instance = *find_policy(policy->name);
    std::vector<Span> spans = spans_of(vectors()["inputs"]["pano_g+3x(2x4)"]);
    if (policy->views) spans = number_views(spans);
    const Result<PositionTable> whole = layout_prompt(instance, spans, {});
    ASSERT_TRUE(whole.ok());
    for (size_t cut = 0; cut <= spans.size(); ++cut) {
      PositionTable table;
      PositionState state;
      const std::span<const Span> all(spans);
      ASSERT_TRUE(layout_continue(instance, all.first(cut), {}, state, table).ok());
      ASSERT_TRUE(layout_continue(instance, all.subspan(cut), {}, state, table).ok());
      EXPECT_EQ(table.sets[0].ids, whole->sets[0].ids) << policy->name << " cut at span " << cut;
      EXPECT_EQ(table.sets[0].next_decode, whole->sets[0].next_decode);
    }
  }
}

TEST(Layout, RefusesIdsThatF32CannotTellApart) {
  PositionTable table;
  table.sets.push_back({.axes = 1, .ids = {0.0f, kMaxPositionId}});
  EXPECT_EQ(table.validate(2).code(), StatusCode::out_of_range);
  table.sets[0].ids[1] = std::nanf("");
  EXPECT_EQ(table.validate(2).code(), StatusCode::out_of_range);
  table.sets[0].ids[1] = kMaxPositionId - 1.0f;
  EXPECT_TRUE(table.validate(2).ok());
  EXPECT_EQ(table.validate(3).code(), StatusCode::invalid_argument);
}

TEST(Allocation, EqualsTheVectors) {
  int checked = 0;
  for (const auto& [key, entry] : vectors()["tables"]["axis_maps"].items()) {
    SCOPED_TRACE(key);
    const Result<PolicyInstance> policy = find_policy(key);  // a key is an alias with its section
    ASSERT_TRUE(policy.ok()) << policy.status().message();
    PlanRequest request;
    request.rope.rotary_dim = 2 * entry["pairs"].get<int>();
    const Result<FrequencyPlan> plan = make_plan(*policy, request);
    if (key == "mrope_interleaved_8pairs_2-3-3") {  // what the reference computes where we refuse (positions.md 4.2)
      EXPECT_NE(plan.status().message().find("does not fit the interleaved plan"), std::string::npos);
      continue;
    }
    ASSERT_TRUE(plan.ok()) << plan.status().message();
    EXPECT_EQ(std::vector<int>(plan->axis.begin(), plan->axis.end()), entry["axis_of_pair"].get<std::vector<int>>());
    ++checked;
  }
  EXPECT_EQ(checked, 11);
}

TEST(Allocation, RefusesWhatTheReferenceWouldSilentlyCut) {
  const std::vector<int> cut = {2, 3, 3};
  EXPECT_NE(allocate(AllocationKind::interleaved, cut, 8, 8).status().message().find("does not fit"),
            std::string::npos);
  const Status sum = allocate(AllocationKind::chunked, cut, 9, 8).status();
  EXPECT_NE(sum.message().find("adds up to 8"), std::string::npos);
  EXPECT_NE(sum.message().find("9 rotary pairs"), std::string::npos);
}

TEST(Allocation, HeadsBeyondTheSectionNeverTurn) {
  const Result<AxisMap> map = allocate(AllocationKind::per_head, std::vector<int>{1, 1, 1}, 2, 4);
  ASSERT_TRUE(map.ok());
  EXPECT_EQ(map->groups, 4);
  EXPECT_EQ(std::vector<int>(map->axis.begin(), map->axis.end()), (std::vector<int>{0, 0, 1, 1, 2, 2, -1, -1}));
  EXPECT_FALSE(allocate(AllocationKind::per_head, std::vector<int>{2, 3, 3}, 2, 4).ok());
}

TEST(Allocation, ScalesSectionsByLargestRemainder) {
  EXPECT_EQ(scale_section(std::vector<int>{24, 20, 20}, 32), (std::vector<int>{12, 10, 10}));
  EXPECT_EQ(scale_section(std::vector<int>{24, 20, 20}, 8),
            (std::vector<int>{3, 3, 2}));  // 3, 2.5, 2.5: the tie goes to h
  EXPECT_EQ(scale_section(std::vector<int>{16, 24, 24}, 8), (std::vector<int>{2, 3, 3}));
}

RopeSpec rope_of(const std::string& key, const json& entry) {
  RopeSpec rope;
  rope.rotary_dim = entry["head_dim"];
  rope.theta = entry.value("base", 10000.0);
  rope.factor = entry.value("factor", 1.0);
  if (key.starts_with("linear")) rope.scaling = RopeScaling::linear;
  if (key.starts_with("ntk")) {
    rope.scaling = RopeScaling::ntk;
    rope.alpha = entry["alpha"];
  }
  if (key.starts_with("dynamic_ntk")) {
    rope.scaling = RopeScaling::dynamic;
    rope.original_max_positions = entry["max_position"];
  }
  if (key.starts_with("yarn")) {
    rope.scaling = RopeScaling::yarn;
    rope.original_max_positions = entry["original_max_position"];
    rope.truncate = entry["extra"].value("truncate", true);
    rope.mscale = entry["extra"].value("mscale", 0.0);
    rope.mscale_all_dim = entry["extra"].value("mscale_all_dim", 0.0);
  }
  if (key.starts_with("longrope")) {
    rope.scaling = RopeScaling::longrope;
    rope.original_max_positions = entry["original_max_position"];
    rope.factor = entry["max_position"].get<double>() / rope.original_max_positions;
    for (int k = 0; k < rope.rotary_dim / 2; ++k) {  // the vectors write the factors as formulas
      rope.short_factor.push_back(1.0 + 0.01 * k);
      rope.long_factor.push_back(1.0 + 0.5 * k);
    }
  }
  if (key.starts_with("llama3")) {
    const json& params = entry["params"];
    rope.scaling = RopeScaling::llama3;
    rope.theta = params["rope_theta"];
    rope.factor = params["factor"];
    rope.low_freq_factor = params["low_freq_factor"];
    rope.high_freq_factor = params["high_freq_factor"];
    rope.original_max_positions = params["original_max_position_embeddings"];
  }
  if (key.starts_with("proportional")) {
    rope.scaling = RopeScaling::proportional;
    rope.rotated_share = entry["partial_rotary_factor"];
  }
  return rope;
}

TEST(Spectrum, EqualsTheVectors) {
  size_t checked = 0;
  for (const auto& [key, entry] : vectors()["tables"]["scaling"].items()) {
    SCOPED_TRACE(key);
    const Result<Spectrum> spectrum = make_spectrum(rope_of(key, entry), entry.value("seq_len", int64_t{0}));
    ASSERT_TRUE(spectrum.ok()) << spectrum.status().message();
    const std::vector<float> expected = entry["inv_freq"];
    ASSERT_EQ(spectrum->inv_freq.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(spectrum->inv_freq[i], expected[i], 2e-7 * expected[i]) << i;
    EXPECT_NEAR(spectrum->attention_scale, entry["attention_factor"].get<double>(), 1e-6);
    ++checked;
  }
  EXPECT_EQ(checked, vectors()["tables"]["scaling"].size());
}

TEST(Spectrum, LayerTypesOfGemma) {
  const json& misc = vectors()["tables"]["misc"];
  const auto check = [](const RopeSpec& rope, const json& expected) {
    const Result<Spectrum> spectrum = make_spectrum(rope, 0);
    ASSERT_TRUE(spectrum.ok());
    ASSERT_EQ(spectrum->inv_freq.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(spectrum->inv_freq[i], expected[i].get<double>(), 2e-7 * expected[i].get<double>());
    }
  };
  RopeSpec sliding{.theta = 1e4, .rotary_dim = 16};
  check(sliding, misc["gemma3_hd16"]["sliding_inv_freq"]);
  check(sliding, misc["gemma4_hd16"]["sliding_inv_freq"]);
  check({.theta = 1e6, .rotary_dim = 16, .scaling = RopeScaling::linear, .factor = 8.0},
        misc["gemma3_hd16"]["full_inv_freq"]);
  RopeSpec proportional{.theta = 1e6, .rotary_dim = 32, .scaling = RopeScaling::proportional};
  proportional.rotated_share = 0.25;
  check(proportional, misc["gemma4_hd16"]["full_inv_freq"]);
}

// Ids as the vectors print them, axis-major, as a table.
std::vector<float> token_major(const json& ids) {
  std::vector<float> out;
  for (size_t token = 0; token < ids[0].size(); ++token) {
    for (const json& axis : ids) out.push_back(axis[token]);
  }
  return out;
}

void expect_rotary(const RotaryTable& rotary, const json& entry, size_t groups) {
  const auto pairs = static_cast<size_t>(rotary.pairs);
  // [tokens][2 * pairs] for all heads alike, [heads][tokens][2 * pairs] otherwise
  for (size_t group = 0; group < groups; ++group) {
    const json& cosines = groups == 1 ? entry["cos"] : entry["cos"][group];
    const json& sines = groups == 1 ? entry["sin"] : entry["sin"][group];
    for (size_t token = 0; token < cosines.size(); ++token) {
      for (size_t pair = 0; pair < pairs; ++pair) {
        const size_t i = (token * groups + group) * pairs + pair;
        EXPECT_NEAR(rotary.cosines[i], cosines[token][pair].get<double>(), 1e-6) << token << "," << pair;
        EXPECT_NEAR(rotary.sines[i], sines[token][pair].get<double>(), 1e-6) << token << "," << pair;
      }
    }
  }
}

TEST(RotaryTable, EqualsTheVectors) {
  const std::vector<std::pair<std::string, std::string>> policies = {
      {"mrope_chunked_2-3-3", "mrope:section=2-3-3"},
      {"mrope_interleaved_4-2-2", "mrope_i:section=4-2-2"},
      {"mrope_interleaved_4-2-2_spatial_reset", "mrope_i_reset:section=4-2-2"},
      {"mhrope_kv4_1-1-1_spatial_reset", "mhrope:section=1-1-1"},
      {"videorope_2-3-3", "videorope:section=2-3-3"},
      {"circlerope_2-3-3", "circle:section=2-3-3"}};
  for (const auto& [key, policy] : policies) {
    SCOPED_TRACE(key);
    const json& entry = vectors()["tables"]["cos_sin"][key];
    PlanRequest request;
    request.rope.rotary_dim = entry["head_dim"];
    request.rope.theta = entry["base"];
    request.kv_heads = 4;
    const Result<FrequencyPlan> plan = make_plan(*find_policy(policy), request);
    ASSERT_TRUE(plan.ok()) << plan.status().message();
    std::vector<float> ids = layout_of(policy, entry["input"]).sets[0].ids;
    if (key == "circlerope_2-3-3") ids = token_major(entry["ids"]);  // the vectors round them before use
    RotaryCache cache(*plan);
    RotaryTable cached;
    cache.append(ids.data(), static_cast<int64_t>(ids.size()) / 3, 3, cached);
    expect_rotary(cached, entry, static_cast<size_t>(plan->groups));
    RotaryTable plain;
    append_rotary(*plan, ids.data(), static_cast<int64_t>(ids.size()) / 3, 3, plain);
    EXPECT_EQ(cached.cosines, plain.cosines);
    EXPECT_EQ(cached.sines, plain.sines);
  }
}

TEST(RotaryTable, OneRowPerIdHoweverOftenItIsAsked) {
  PlanRequest request;
  request.rope.rotary_dim = 16;
  const FrequencyPlan plan = *make_plan(*find_policy("mrope"), request);
  const std::vector<float> ids = layout_of("mrope", vectors()["inputs"]["img_1x4x6"]).sets[0].ids;
  RotaryCache cache(plan);
  for (int layer = 0; layer < 5; ++layer) {
    RotaryTable table;
    cache.append(ids.data(), 32, 3, table);
  }
  EXPECT_EQ(cache.computed_rows(), 14);  // ids 0 to 13, although the image has 24 cells
  RotaryCache tiny(plan, 1);             // bounded: starts again when full, with the same numbers
  RotaryTable from_tiny;
  tiny.append(ids.data(), 32, 3, from_tiny);
  RotaryTable expected;
  append_rotary(plan, ids.data(), 32, 3, expected);
  EXPECT_EQ(from_tiny.cosines, expected.cosines);
}

TEST(Panorama, WrapMapEqualsTheVectors) {
  for (const char* key :
       {"pano_wrap_V4_2x4_ov0.5_wrap", "pano_wrap_V4_2x4_ov0.5_nowrap", "pano_wrap_V3_1x5_ov0.25_wrap"}) {
    SCOPED_TRACE(key);
    const json& entry = vectors()["tables"]["misc"][key];
    json segments = json::array({{"i", 1, 1, 1}});  // the global view, at id 0
    for (int view = 0; view < entry["views"]; ++view) segments.push_back({"i", 1, entry["h"], entry["w"]});
    const PositionSet set = layout_of(key, segments).sets[0];
    const size_t tokens = entry["ids"][0].size();
    ASSERT_EQ(set.tokens(), static_cast<int64_t>(tokens) + 1);
    for (size_t token = 0; token < tokens; ++token) {
      const float* ids = set.token(static_cast<int64_t>(token) + 1);
      EXPECT_EQ(ids[0] - 1.0f, entry["ids"][0][token].get<float>());  // tiles begin behind the global view's one id
      EXPECT_EQ(ids[1], entry["ids"][1][token].get<float>());
      EXPECT_EQ(ids[2], entry["ids"][2][token].get<float>()) << token;
    }
  }
}

TEST(Pruning, SurvivorsKeepTheirCoordinates) {
  const PositionTable whole = layout_of("circle:age=strategy_4", vectors()["inputs"]["img_1x4x6"]);
  const std::vector<int64_t> kept = {0, 6, 7, 20, 31};
  const Result<PositionTable> pruned = whole.keep(kept);
  ASSERT_TRUE(pruned.ok());
  for (size_t set = 0; set < whole.sets.size(); ++set) {
    ASSERT_EQ(pruned->sets[set].tokens(), 5);
    for (size_t i = 0; i < kept.size(); ++i) {
      for (int axis = 0; axis < 3; ++axis) {
        EXPECT_EQ(pruned->sets[set].token(static_cast<int64_t>(i))[axis], whole.sets[set].token(kept[i])[axis]);
      }
    }
    EXPECT_EQ(pruned->sets[set].next_decode, whole.sets[set].next_decode);
  }
  EXPECT_EQ(whole.keep(std::vector<int64_t>{5, 5}).status().code(), StatusCode::out_of_range);
  EXPECT_EQ(whole.keep(std::vector<int64_t>{32}).status().code(), StatusCode::out_of_range);
  EXPECT_EQ(whole.keep(std::vector<int64_t>{-1}).status().code(), StatusCode::out_of_range);
}

TEST(Circle, LayersWithPlainIdsGoOnByThemselves) {
  const json& input = vectors()["inputs"]["img_1x4x6"];
  const PositionTable age = layout_of("circle:age=strategy_4", input);
  ASSERT_EQ(age.sets.size(), 2u);
  EXPECT_EQ(age.sets[1].ids, layout_of("mrope", input).sets[0].ids);
  EXPECT_EQ(age.sets[1].next_decode, 14.0);
  EXPECT_NEAR(age.sets[0].next_decode, 17.120365, 1e-4);
  EXPECT_NEAR(layout_of("circle:age=strategy_4,compat=released", input).sets[1].next_decode, 17.120365, 1e-4);
  const Result<PositionTable> on_a_model =
      layout_prompt(*find_policy("circle:age=strategy_2"), spans_of(input), {.layers = 4});
  EXPECT_EQ(on_a_model->set_of_layer, (std::vector<int>{0, 0, 1, 1}));
}

TEST(Batch, PaddingIsNobodysPosition) {
  for (const char* key : {"batch_left_pad", "batch_right_pad"}) {
    const json& entry = vectors()["tables"]["misc"][key];
    for (size_t row = 0; row < entry["rows"].size(); ++row) {
      const PositionSet set = layout_of("mrope", entry["rows"][row]).sets[0];
      EXPECT_EQ(set.next_decode - static_cast<double>(set.tokens()), entry["delta_tf5"][row].get<double>());
      int64_t token = 0;
      for (size_t place = 0; place < entry["attention_mask"][row].size(); ++place) {
        if (entry["attention_mask"][row][place] == 0) continue;
        for (size_t axis = 0; axis < 3; ++axis) {
          EXPECT_EQ(set.token(token)[axis], entry["ids_tf5"][row][axis][place].get<float>());
        }
        ++token;
      }
      EXPECT_EQ(token, set.tokens());
    }
  }
}

TEST(Mrope25, TheProductOfTwoParametersMayBeGivenAsOne) {
  const json& input = vectors()["inputs"]["long_video_8x2x2"];
  EXPECT_EQ(layout_of("mrope25:delta=1.5", input).sets[0].ids, layout_of("mrope25_tps2_spg0.75", input).sets[0].ids);
}

TEST(Derived, SmallLayouts) {
  const auto ids_of = [](const std::string& policy, const char* segments) {
    return layout_prompt(*find_policy(policy), *parse_segments(segments), {})->sets[0];
  };
  EXPECT_EQ(ids_of("shared", "t2 i1x2x2 t1").ids, (std::vector<float>{0, 1, 2, 2, 2, 2, 3}));
  EXPECT_EQ(ids_of("interpolated:range=4", "t1 i1x1x3 t1").ids, (std::vector<float>{0, 1, 2.5, 4, 5}));
  EXPECT_EQ(ids_of("interpolated:range=4", "t1 i1x1x1 t1").ids, (std::vector<float>{0, 1, 5}));
  // Views v of one panorama get (P0 + v, r, c), text between them P0 + v, text behind them P0 + max(V, H, W).
  EXPECT_EQ(ids_of("region_relative", "t1 i1x1x2 t1 i1x1x2 t1").ids,
            (std::vector<float>{0, 0, 0, 1, 0, 0, 1, 0, 1, 1, 1, 1, 2, 0, 0, 2, 0, 1, 3, 3, 3}));
  EXPECT_EQ(ids_of("region_relative:plan=one_axis", "t1 i1x1x2 t1 i1x1x2 t1").ids,
            (std::vector<float>{0, 1, 2, 1, 2, 3, 4}));
}

TEST(Registry, SuggestsTheNearestName) {
  EXPECT_TRUE(find_policy("mrope_i").ok());
  EXPECT_EQ(find_policy("videorope_d0.5")->spelling(), "videorope:delta=0.5");
  EXPECT_EQ(find_policy("circle_auto2_a1")->spelling(), "circle:alpha=1,radius=auto-2");
  const Status unknown = find_policy("mrop").status();
  EXPECT_EQ(unknown.code(), StatusCode::not_found);
  EXPECT_NE(unknown.message().find("nearest is \"mrope\""), std::string::npos) << unknown.message();
}

TEST(Registry, SaysWhatIsWrong) {
  const auto message = [](const char* text) { return find_policy(text).status().message(); };
  EXPECT_NE(message("glin").find("no definition of it has been published"), std::string::npos);
  EXPECT_NE(message("videorope:delt=2").find("it has delta"), std::string::npos) << message("videorope:delt=2");
  EXPECT_NE(message("videorope:delta=x").find("expected a number"), std::string::npos);
  EXPECT_NE(message("videorope:delta=nan").find("expected a number"), std::string::npos);
  EXPECT_NE(message("circle:radius=-1").find("expected a positive number"), std::string::npos);
  EXPECT_NE(message("mmrope:scale=1-2").find("three numbers"), std::string::npos);
  EXPECT_NE(message("mrope:plan=woven").find("one of one_axis, chunked"), std::string::npos);
}

TEST(Registry, RegisteredFunctionsAreLaidOutLikeBuiltInOnes) {
  const auto twice = [](const PositionRequest& request) -> Result<PositionTable> {
    AZ_ASSIGN_OR_RETURN(PositionTable table, request.layout("vanilla"));
    for (float& id : table.sets[0].ids) id *= 2.0f;
    table.sets[0].next_decode *= 2.0;
    return table;
  };
  ASSERT_TRUE(register_position_policy("twice", "vanilla", twice).ok());
  EXPECT_EQ(layout_of("twice", vectors()["inputs"]["text7"]).sets[0].ids, (std::vector<float>{0, 2, 4, 6, 8, 10, 12}));
  EXPECT_FALSE(register_position_policy("twice", "vanilla", twice).ok());
  EXPECT_FALSE(register_position_policy("mrope", "vanilla", twice).ok());
  EXPECT_FALSE(register_position_policy("no spaces", "vanilla", twice).ok());
  EXPECT_FALSE(register_position_policy("other", "nothing", twice).ok());
}

TEST(Segments, ReadAndRefused) {
  const Result<std::vector<Span>> spans = parse_segments("t5 i1x4x6, v2x3x4\nt3");
  ASSERT_TRUE(spans.ok());
  ASSERT_EQ(spans->size(), 4u);
  EXPECT_EQ((*spans)[2].begin, 29);
  EXPECT_EQ((*spans)[3].end, 56);
  EXPECT_EQ(parse_segments("t0 i1x1x1 t0")->size(), 1u);
  for (const char* bad : {"x5", "t", "t-1", "i4x6", "t5x1", "i1x4x6x1", "t99999999999999999999", "i1x4x", "i1x0x4"}) {
    EXPECT_FALSE(parse_segments(bad).ok()) << bad;
  }
  EXPECT_EQ(parse_segments("v4000000x4000000x4000000").status().code(), StatusCode::resource_exhausted);
  EXPECT_EQ(parse_segments("t4000000 t4000000").status().code(), StatusCode::resource_exhausted);
}

}  // namespace
}  // namespace azimuth::positions
