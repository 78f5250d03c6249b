// The implemented policies and spectra against tests/golden/positions/vectors.json, most of which
// reference implementations wrote (its "mark" and "from" say which). The tolerances are the file's own.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "positions/frequency/allocation.h"
#include "positions/frequency/spectrum.h"
#include "positions/policy.h"
#include "positions/rotary_table.h"

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

PositionTable layout_of(const std::string& policy, const json& segments, Compat compat) {
  Result<PositionTable> table = layout_prompt(**find_policy(policy), spans_of(segments), {compat});
  EXPECT_TRUE(table.ok()) << table.status().message();
  return std::move(*table);
}

struct IdCase {
  std::string key;     // in the vectors
  std::string policy;  // of the engine
  Compat compat;
};

class Ids : public ::testing::TestWithParam<IdCase> {};

TEST_P(Ids, EqualTheVectors) {
  const json& cases = vectors()["ids"][GetParam().key];
  ASSERT_GE(cases.size(), 5u);
  for (const auto& [input, expected] : cases.items()) {
    SCOPED_TRACE(input);
    const PositionTable table = layout_of(GetParam().policy, vectors()["inputs"][input], GetParam().compat);
    const PositionSet& set = table.sets[0];
    const bool shared_row = expected["rows"] == 1;
    for (int axis = 0; axis < set.axes; ++axis) {
      const json& row = shared_row ? expected["ids"] : expected["ids"][static_cast<size_t>(axis)];
      ASSERT_EQ(static_cast<int64_t>(row.size()), set.tokens());
      for (int64_t token = 0; token < set.tokens(); ++token) {
        ASSERT_EQ(set.token(token)[axis], row[static_cast<size_t>(token)].get<float>())
            << "axis " << axis << ", token " << token;
      }
    }
    EXPECT_EQ(set.next_decode - static_cast<float>(set.tokens()), expected["delta"].get<float>());
    for (int64_t step = 0; step < 2; ++step) {
      std::vector<float> ids(static_cast<size_t>(set.axes));
      set.decode_ids(step, ids.data());
      EXPECT_EQ(ids[0], expected["decode"][static_cast<size_t>(step)].get<float>());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, Ids,
                         ::testing::Values(IdCase{"vanilla", "vanilla", Compat::azimuth},
                                           IdCase{"mrope", "mrope", Compat::azimuth},
                                           IdCase{"mrope_i", "mrope_i", Compat::azimuth},
                                           IdCase{"mrope_tf5", "mrope", Compat::tf5}),
                         [](const auto& each) { return each.param.key; });

TEST(Layout, GoesOnAtTheEndOfASpan) {
  for (const Policy& policy : all_policies()) {
    const std::vector<Span> spans = spans_of(vectors()["inputs"]["two_images"]);
    const Result<PositionTable> whole = layout_prompt(policy, spans, {});
    ASSERT_TRUE(whole.ok());
    for (size_t cut = 0; cut <= spans.size(); ++cut) {
      PositionTable table;
      PositionState state;
      const std::span<const Span> all(spans);
      ASSERT_TRUE(layout_continue(policy, all.first(cut), {}, state, table).ok());
      ASSERT_TRUE(layout_continue(policy, all.subspan(cut), {}, state, table).ok());
      EXPECT_EQ(table.sets[0].ids, whole->sets[0].ids) << policy.name << " cut at span " << cut;
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
  const auto check = [](const char* key, Result<std::vector<int8_t>> (*allocate)(std::span<const int>, int)) {
    SCOPED_TRACE(key);
    const json& entry = vectors()["tables"]["axis_maps"][key];
    const std::vector<int> section = entry["section"];
    const Result<std::vector<int8_t>> axes = allocate(section, entry["pairs"]);
    ASSERT_TRUE(axes.ok()) << axes.status().message();
    EXPECT_EQ(std::vector<int>(axes->begin(), axes->end()), entry["axis_of_pair"].get<std::vector<int>>());
  };
  check("mrope_chunked_64pairs_16-24-24", allocate_chunked);
  check("mrope_chunked_8pairs_2-3-3", allocate_chunked);
  check("mrope_interleaved_64pairs_24-20-20", allocate_interleaved);
  check("mrope_interleaved_32pairs_11-11-10", allocate_interleaved);
  check("mrope_interleaved_8pairs_4-2-2", allocate_interleaved);
}

TEST(Allocation, RefusesWhatTheReferenceWouldSilentlyCut) {
  const std::vector<int> cut = {2, 3, 3};
  EXPECT_NE(allocate_interleaved(cut, 8).status().message().find("does not fit an interleave"), std::string::npos);
  const Status sum = allocate_chunked(cut, 9).status();
  EXPECT_NE(sum.message().find("adds up to 8"), std::string::npos);
  EXPECT_NE(sum.message().find("9 rotary pairs"), std::string::npos);
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
  if (key.starts_with("yarn")) {
    rope.scaling = RopeScaling::yarn;
    rope.original_max_positions = entry["original_max_position"];
    rope.truncate = entry["extra"].value("truncate", true);
    rope.mscale = entry["extra"].value("mscale", 0.0);
    rope.mscale_all_dim = entry["extra"].value("mscale_all_dim", 0.0);
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
  return rope;
}

TEST(Spectrum, EqualsTheVectors) {
  int checked = 0;
  for (const auto& [key, entry] : vectors()["tables"]["scaling"].items()) {
    const bool known =
        key.starts_with("default") || key.starts_with("linear") || key.starts_with("yarn") || key.starts_with("llama3");
    if (!known) continue;
    SCOPED_TRACE(key);
    const Result<Spectrum> spectrum = make_spectrum(rope_of(key, entry));
    ASSERT_TRUE(spectrum.ok()) << spectrum.status().message();
    const std::vector<float> expected = entry["inv_freq"];
    ASSERT_EQ(spectrum->inv_freq.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(spectrum->inv_freq[i], expected[i], 2e-7 * expected[i]) << i;
    EXPECT_NEAR(spectrum->attention_scale, entry["attention_factor"].get<double>(), 1e-6);
    ++checked;
  }
  EXPECT_EQ(checked, 12);
}

TEST(RotaryTable, EqualsTheVectors) {
  for (const auto& [key, policy] :
       {std::pair("mrope_chunked_2-3-3", "mrope"), std::pair("mrope_interleaved_4-2-2", "mrope_i")}) {
    SCOPED_TRACE(key);
    const json& entry = vectors()["tables"]["cos_sin"][key];
    RopeSpec rope;
    rope.rotary_dim = entry["head_dim"];
    rope.theta = entry["base"];
    rope.section = std::string(policy) == "mrope" ? std::vector<int>{2, 3, 3} : std::vector<int>{4, 2, 2};
    const Result<FrequencyPlan> plan = make_plan(**find_policy(policy), rope, true);
    ASSERT_TRUE(plan.ok()) << plan.status().message();
    const PositionTable table = layout_of(policy, entry["input"], Compat::azimuth);
    RotaryTable rotary;
    append_rotary(*plan, table.sets[0].ids.data(), table.sets[0].tokens(), 3, rotary);
    const auto pairs = static_cast<size_t>(rotary.pairs);
    for (size_t token = 0; token < entry["cos"].size(); ++token) {
      for (size_t pair = 0; pair < pairs; ++pair) {
        EXPECT_NEAR(rotary.cosines[token * pairs + pair], entry["cos"][token][pair].get<double>(), 1e-6)
            << token << "," << pair;
        EXPECT_NEAR(rotary.sines[token * pairs + pair], entry["sin"][token][pair].get<double>(), 1e-6)
            << token << "," << pair;
      }
    }
  }
}

TEST(Registry, SuggestsTheNearestName) {
  EXPECT_TRUE(find_policy("mrope_i").ok());
  const Status unknown = find_policy("mrop").status();
  EXPECT_EQ(unknown.code(), StatusCode::not_found);
  EXPECT_NE(unknown.message().find("nearest is \"mrope\""), std::string::npos) << unknown.message();
}

}  // namespace
}  // namespace azimuth::positions
