// The linter against tests/golden/positions/vectors.json: scores of every encoding on every input, and the findings
// that bad ids must give.
#include "azimuth/lint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "positions/lint/input.h"
#include "positions/policy.h"

namespace azimuth {
namespace {

using nlohmann::json;
using positions::PolicyInstance;

const json& vectors() {
  static const json all =
      json::parse(std::ifstream(std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/positions/vectors.json"));
  return all;
}

std::vector<Span> spans_of(const std::string& segments) {
  Result<std::vector<Span>> spans = parse_segments(segments);
  EXPECT_TRUE(spans.ok()) << spans.status().message();
  return std::move(*spans);
}

std::vector<Span> spans_of_json(const json& segments) {
  std::string words;
  for (const json& segment : segments) {
    words += segment[0].get<std::string>();
    for (size_t i = 1; i < segment.size(); ++i) words += (i == 1 ? "" : "x") + std::to_string(segment[i].get<int>());
    words += " ";
  }
  return spans_of(words);
}

positions::PlanRequest head(int rotary_dim = 128) {
  positions::PlanRequest request;
  request.rope.rotary_dim = rotary_dim;
  return request;
}

LintInput input_of(const std::string& policy, const std::vector<Span>& spans,
                   const positions::PlanRequest& request = head()) {
  const Result<PolicyInstance> instance = positions::find_policy(policy);
  EXPECT_TRUE(instance.ok()) << policy;
  Result<LintInput> input = positions::lint::input_of(*instance, spans, {});
  EXPECT_TRUE(input.ok()) << input.status().message();
  const auto plans = [instance = *instance, request](int64_t length) -> Result<std::vector<NamedPlan>> {
    positions::PlanRequest longer = request;
    longer.length = length;
    AZ_ASSIGN_OR_RETURN(FrequencyPlan plan, positions::make_plan(instance, longer));
    return std::vector<NamedPlan>{{"", std::move(plan)}};
  };
  const Result<FrequencyPlan> base = positions::make_plan(*positions::find_policy("vanilla"), request);
  EXPECT_TRUE(base.ok());
  input->layout.plans = *plans(request.length);
  input->base_plans = {{"", *base}};
  input->plans_at = plans;
  return std::move(*input);
}

LintReport lint_of(const std::string& policy, const std::string& segments, const LintOptions& options = {}) {
  Result<LintReport> report = lint(input_of(policy, spans_of(segments)), options);
  EXPECT_TRUE(report.ok()) << report.status().message();
  return std::move(*report);
}

// Ids of text alone, from elsewhere.
LintReport lint_raw(const std::vector<float>& ids, const LintOptions& options = {},
                    IdStorage storage = IdStorage::f32) {
  LintInput input;
  input.spans = spans_of("t" + std::to_string(ids.size()));
  input.storage = storage;
  input.layout.positions.sets = {{.axes = 1, .ids = ids}};
  input.layout.positions.sets[0].next_text = input.layout.positions.sets[0].next_decode = ids.back() + 1;
  Result<LintReport> report = lint(input, options);
  EXPECT_TRUE(report.ok()) << report.status().message();
  return std::move(*report);
}

std::set<std::string> found(const LintReport& report, LintSeverity least = LintSeverity::warning) {
  std::set<std::string> checks;
  for (const LintFinding& finding : report.findings) {
    if (finding.severity >= least) checks.insert(finding.check);
  }
  return checks;
}

using Names = std::set<std::string>;

// ---- scores

std::vector<std::string> scored() {
  std::vector<std::string> names;
  for (const auto& [input, result] : vectors()["linter"]["results"].items()) {
    for (const auto& [encoding, scores] : result["scores"].items()) names.push_back(input + " " + encoding);
  }
  return names;
}

class Scores : public ::testing::TestWithParam<std::string> {};

TEST_P(Scores, EqualTheVectors) {
  const size_t cut = GetParam().find(' ');
  const std::string encoding = GetParam().substr(cut + 1);
  const json& result = vectors()["linter"]["results"][GetParam().substr(0, cut)];
  ASSERT_EQ(vectors()["linter"]["head_pairs"], 64);
  const Result<LintReport> report = lint(input_of(encoding, spans_of_json(result["input"])));
  ASSERT_TRUE(report.ok()) << report.status().message();
  const json scores = json::parse(lint_json(*report));
  const json& expected = result["scores"][encoding];
  ASSERT_EQ(expected.size(), 13u);
  for (const auto& [key, value] : expected.items()) EXPECT_EQ(scores[key], value) << key;
}

INSTANTIATE_TEST_SUITE_P(Encodings, Scores, ::testing::ValuesIn(scored()), [](const auto& each) {
  std::string name = each.param;
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
});

// positions.md 5.5: which guidelines the published encodings keep, on a picture and on a whole video.
struct Verdicts {
  std::string policy;
  std::string image;  // G1 G2 G3: y, p (in part), n
  std::string video;
};

class Guidelines : public ::testing::TestWithParam<Verdicts> {};

std::string letters(const LintReport& report) {
  std::string out;
  for (const LintVerdict verdict : report.verdicts) out += "ypn-"[static_cast<size_t>(verdict)];
  return out;
}

TEST_P(Guidelines, AreJudgedAsInTheTable) {
  EXPECT_EQ(letters(lint_of(GetParam().policy, "t8 i1x8x6 t4")), GetParam().image);
  EXPECT_EQ(letters(lint_of(GetParam().policy, "t8 v12x4x4 t4")), GetParam().video);
}

INSTANTIATE_TEST_SUITE_P(Published, Guidelines,
                         ::testing::Values(Verdicts{"vanilla", "nyy", "nyy"}, Verdicts{"v2pe", "nyy", "nyy"},
                                           Verdicts{"mrope", "yny", "yny"}, Verdicts{"mrope_tf5", "yny", "nny"},
                                           Verdicts{"mrope_i", "yyy", "yyy"}, Verdicts{"mrope_i_reset", "yyy", "yyy"},
                                           Verdicts{"mhrope", "yyy", "yyy"}, Verdicts{"videorope", "nny", "nny"},
                                           Verdicts{"hope_s1.5", "nnn", "nnn"},
                                           Verdicts{"circle_r10_a0.5", "pny", "pny"}, Verdicts{"omni", "yny", "yny"},
                                           Verdicts{"omni_text0", "nnn", "nnn"}, Verdicts{"il_text0", "nyn", "nyn"},
                                           Verdicts{"mmrope_488", "nyy", "nyy"},
                                           Verdicts{"pano1d_ov0.5", "nyy", "nyy"}),
                         [](const auto& each) {
                           std::string name = each.param.policy;
                           std::ranges::replace(name, '.', '_');
                           return name;
                         });

TEST(Scores, FollowTheDefinitionsWhereBlocksStandAtTheEdges) {
  // A picture that begins and ends the prompt: P- is where text would start, P+ where it would go on.
  const LintReport alone = lint_of("mrope", "i1x2x5");
  EXPECT_EQ(alone.scores.blocks[0].growth, 5.0);
  EXPECT_EQ(alone.scores.blocks[0].interval, (std::array<double, 3>{5, 4, 1}));
  EXPECT_TRUE(alone.scores.decode_continuous);
  // Between two pictures without text, P+ is the text behind both.
  const LintReport two = lint_of("mrope", "t3 i1x2x2 i1x4x4 t1");
  ASSERT_EQ(two.scores.blocks.size(), 2u);
  EXPECT_EQ(two.scores.blocks[0].growth, 6.0);
  EXPECT_EQ(two.scores.blocks[1].interval, (std::array<double, 3>{4, 1, 1}));
  // One cell has no steps.
  const LintReport cell = lint_of("mrope", "t1 i1x1x1 t1");
  EXPECT_EQ(json::parse(lint_json(cell))["lattice_rank"], "0/0");
  EXPECT_EQ(cell.verdict(LintGuideline::coherence), LintVerdict::pass);
  // Frames at 0, 1, 3, 4, 6: the first step is not the second.
  EXPECT_FALSE(lint_of("mrope25_tps2_spg0.75", "t1 v5x2x2 t1").scores.blocks[0].lattice);
  // PaliGemma's text starts at 1, as its base model's does.
  EXPECT_TRUE(*lint_of("paligemma", "i1x2x2 t3").scores.text_prior_ids);
  EXPECT_EQ(lint_of("paligemma", "i1x2x2 t3").scores.blocks[0].growth, 4.0);
  // Nothing to score without pictures.
  const LintReport text = lint_of("mrope", "t7");
  EXPECT_TRUE(json::parse(lint_json(text))["growth"].is_null());
  EXPECT_EQ(text.verdict(LintGuideline::coherence), LintVerdict::not_checked);
  EXPECT_EQ(text.verdict(LintGuideline::text_prior), LintVerdict::pass);
}

TEST(Scores, CountTextThatIsGeneratedLater) {
  // t at P + 64 i, and text goes on behind: cells on the diagonal lie on generated tokens only up to the horizon.
  LintInput input = input_of("vanilla", spans_of("t2 i1x1x2 t1"));
  PositionSet& set = input.layout.positions.sets[0];
  input.lay_out = nullptr;
  set.ids = {0, 1, 68, 69, 5};
  set.next_text = set.next_decode = 6;  // generated tokens get 6..69
  EXPECT_EQ(lint(input)->scores.blocks[0].triple_collisions, 2);
  set.next_text = set.next_decode = 5;
  EXPECT_EQ(lint(input)->scores.blocks[0].triple_collisions, 1);
}

TEST(Scores, TellDuplicatesOfCircles) {
  // The grids up to 24 x 24 in which CircleRoPE puts two cells on one point (positions.md 3.11).
  for (const std::string grid : {"7x3", "17x12", "23x12"}) {
    const LintReport report = lint_of("circle", "t2 i1x" + grid + " t2");
    EXPECT_FALSE(report.scores.blocks[0].injective) << grid;
    EXPECT_EQ(report.verdict(LintGuideline::coherence), LintVerdict::partly) << grid;
    EXPECT_FALSE(report.failed());
  }
  EXPECT_TRUE(lint_of("circle", "t2 i1x8x6 t2").scores.blocks[0].injective);
}

TEST(Scores, FitTheGrowthOfPictures) {
  for (const auto& [policy, exponent] : std::vector<std::pair<std::string, double>>{
           {"vanilla", 2.0}, {"mrope", 1.0}, {"videorope", 0.0}, {"v2pe", 0.0}, {"shared", 0.0}}) {
    EXPECT_NEAR(*lint_of(policy, "t1 i1x2x2 t1").scores.growth_exponent, exponent, 1e-6) << policy;
  }
  EXPECT_NEAR(*lint_of("circle", "t1 i1x2x2 t1").scores.growth_exponent, 0.0, 0.05);
  EXPECT_NEAR(*lint_of("circle:radius=auto-2", "t1 i1x2x2 t1").scores.growth_exponent, 1.0, 0.05);
  EXPECT_EQ(found(lint_of("mmrope", "t1 i1x2x2 t1")).count("growth"), 1u);
}

TEST(Spectrum, SharesRangesAndWavelengths) {
  const auto chunked = *lint_of("mrope", "t1 i1x2x2 t1").scores.spectrum;
  EXPECT_EQ(chunked[0].share, 0.25);
  EXPECT_EQ(chunked[1].fastest, 16);
  EXPECT_EQ(chunked[1].slowest, 39);
  EXPECT_NEAR(chunked[0].longest_wavelength, 2 * M_PI * std::pow(1e4, 30.0 / 128), 1e-3);
  const auto heads = *lint_of("mhrope", "t1 i1x2x2 t1").scores.spectrum;
  EXPECT_EQ(heads[0].share, 0.25);
  EXPECT_EQ(heads[1].share, 0.375);
  EXPECT_EQ(heads[2].coverage, 1.0);
  // Complete spectra of their own.
  const auto own = *lint_of("omni:own_spectrum=1", "t1 i1x2x2 t1").scores.spectrum;
  EXPECT_EQ(own[0].coverage, 1.0);
  EXPECT_FALSE(lint_of("alibi", "t1 i1x2x2 t1").scores.spectrum.has_value());
  EXPECT_EQ(lint_of("alibi", "t1 i1x2x2 t1").verdict(LintGuideline::spectrum), LintVerdict::not_checked);
  // A one-axis plan under ids on three axes reads t only.
  const LintReport one = lint_of("mrope:plan=one_axis", "t1 i1x2x2 t1");
  EXPECT_EQ((*one.scores.spectrum)[1].coverage, 0.0);
  EXPECT_EQ(one.verdict(LintGuideline::spectrum), LintVerdict::fail);
}

TEST(Spectrum, AliasingWhereAVideoOutlastsItsSlowestPair) {
  EXPECT_EQ(found(lint_of("mrope", "t2 v54x2x2 t2")).count("aliasing"), 0u) << "53 ids, wavelength 54.4";
  EXPECT_EQ(found(lint_of("mrope", "t2 v60x2x2 t2")).count("aliasing"), 1u);
  EXPECT_EQ(found(lint_of("mrope_i", "t2 v60x2x2 t2")).count("aliasing"), 0u);
}

// ---- the checks of section 5.4

json negative(const std::string& name) {
  for (const json& each : vectors()["negative"]) {
    if (each["name"] == name) return each;
  }
  ADD_FAILURE() << name;
  return {};
}

Names expected(const std::string& name) {
  return negative(name)["linter"].get<Names>();
}

// All `names` were found, and what was found fails a run.
void expect_found(const LintReport& report, const Names& names) {
  const Names checks = found(report);
  EXPECT_TRUE(std::ranges::includes(checks, names)) << lint_json(report);
}

TEST(Negative, LongVideosOfTransformers5) {
  const json bad = negative("tf5_long_video");
  const Result<LintReport> report = lint(input_of(bad["encoding"], spans_of_json(bad["input"])));
  ASSERT_TRUE(report.ok());
  expect_found(*report, expected("tf5_long_video"));
  EXPECT_TRUE(report->failed());
  EXPECT_EQ(found(*report, LintSeverity::error), (Names{"cache", "monotone"}));
  const auto cache = std::ranges::find(report->findings, std::string("cache"), &LintFinding::check);
  EXPECT_NE(cache->message.find("id 18"), std::string::npos) << cache->message;
  EXPECT_NE(cache->message.find("get 8"), std::string::npos) << cache->message;
}

TEST(Negative, CircleAgeAsReleased) {
  const json bad = negative("circle_age_released");
  const std::vector<Span> spans = spans_of_json(bad["input"]);
  const LintInput input = input_of("circle_age_released", spans);
  ASSERT_EQ(input.layout.positions.sets.size(), 2u);
  EXPECT_NEAR(input.layout.positions.sets[1].next_decode, bad["first_decode_id_used"].get<double>(), 1e-4);
  const Result<LintReport> report = lint(input);
  expect_found(*report, expected("circle_age_released"));
  EXPECT_FALSE(report->scores.decode_continuous) << "its second set does not go on";
  EXPECT_EQ(found(*report, LintSeverity::error), (Names{"cache"}));
  EXPECT_EQ(found(*lint(input_of("circle:age=strategy_4", spans)), LintSeverity::error), Names{});
}

TEST(Negative, AnInterleaveThatIsCut) {
  const json bad = negative("interleave_cut");
  positions::PlanRequest request = head(2 * bad["pairs"].get<int>());
  request.rope.section = bad["section"].get<std::vector<int>>();
  request.section_kind = positions::AllocationKind::interleaved;
  EXPECT_FALSE(positions::make_plan(*positions::find_policy("mrope_i"), request).ok());
  request.cuts_section = true;
  LintInput input = input_of("mrope_i", spans_of("t2 i1x2x2 t2"), request);
  input.section = request.rope.section;
  const Result<LintReport> report = lint(input);
  expect_found(*report, expected("interleave_cut"));
  EXPECT_EQ(found(*report, LintSeverity::error), (Names{"allocation"}));
  EXPECT_NE(report->findings[0].message.find("3, 3, 2"), std::string::npos) << report->findings[0].message;
  input.section = {3, 3, 2};
  EXPECT_FALSE(lint(input)->failed());
}

TEST(Negative, IdsInSixteenBits) {
  const auto ids = negative("bf16_ids")["ids"].get<std::vector<float>>();
  const LintReport report = lint_raw(ids, {}, IdStorage::bf16);
  expect_found(report, expected("bf16_ids"));
  EXPECT_TRUE(report.failed());
  EXPECT_NE(report.findings[0].message.find("256 and 257"), std::string::npos) << report.findings[0].message;
  EXPECT_TRUE(lint_raw({2048, 2049}, {}, IdStorage::f16).failed());
  EXPECT_FALSE(lint_raw(ids, {}, IdStorage::f32).failed());
  EXPECT_FALSE(lint_raw(ids, {}, IdStorage::int64).failed());
}

TEST(Negative, Gaps) {
  const auto ids = negative("gap")["ids"].get<std::vector<float>>();
  EXPECT_FALSE(lint_raw(ids).failed()) << "monotone ids may have gaps";
  LintOptions strict;
  strict.gaps = LintGaps::strict;
  const LintReport report = lint_raw(ids, strict);
  EXPECT_TRUE(report.failed());
  // The jump is also no longer the base model's order of text.
  EXPECT_EQ(found(report, LintSeverity::error), expected("gap"));
  EXPECT_FALSE(lint_raw({0, 1, 2, 3}, strict).failed());
  EXPECT_TRUE(lint_raw({1, 2, 3}, strict).failed()) << "the base starts at 0";
}

TEST(Negative, RowsOfABatchThatDiffer) {
  const auto rows = negative("batch_rows_differ")["rows"].get<std::vector<std::vector<float>>>();
  std::vector<LintRow> batch;
  for (const std::vector<float>& ids : rows) batch.push_back({ids, 0, 5, 7});
  const std::vector<LintFinding> findings = lint_rows(batch);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(Names{findings[0].check}, expected("batch_rows_differ"));
  EXPECT_EQ(findings[0].severity, LintSeverity::error);
  batch[1].prompt = 8;  // legal for another prompt
  EXPECT_TRUE(lint_rows(batch).empty());
  // Padding on either side, with whatever ids.
  EXPECT_TRUE(lint_rows(std::vector<LintRow>{{{0, 0, 0, 1, 2}, 2, 5, 1}, {{0, 1, 2, 1, 1}, 0, 3, 1}}).empty());
  EXPECT_EQ(lint_rows(std::vector<LintRow>{{{0, 0, 0, 1, 2}, 2, 5, 1}, {{1, 2, 3, 1, 1}, 0, 3, 1}}).size(), 1u);
}

TEST(Order, MonotoneMeansThatTextExceedsAllBeforeIt) {
  EXPECT_EQ(found(lint_of("pano1d_ov0.5", "t4 i1x4x4 t2 i1x4x4 t2 i1x4x4 t4"), LintSeverity::error),
            (Names{"monotone"}));
  EXPECT_FALSE(lint_of("pano_mrope_ov0.5", "t4 i1x4x4 t2 i1x4x4 t2 i1x4x4 t4").failed()) << "only w overlaps";
  EXPECT_FALSE(lint_of("videorope", "t4 i1x4x4 t2").failed()) << "only h and w overlap";
  LintOptions off;
  off.gaps = LintGaps::off;
  EXPECT_FALSE(lint_of("pano1d_ov0.5", "t4 i1x4x4 t2 i1x4x4 t2 i1x4x4 t4", off).failed());
  // Equal is not above.
  const LintReport equal = lint_raw({0, 1, 1, 2});
  EXPECT_EQ(found(equal, LintSeverity::error), (Names{"monotone"}));
  EXPECT_NE(equal.findings[0].message.find("text token 2"), std::string::npos) << equal.findings[0].message;
}

TEST(Cache, FrequenciesThatChange) {
  positions::PlanRequest request = head();
  request.rope.scaling = RopeScaling::dynamic;
  request.rope.factor = 2.0;
  request.rope.original_max_positions = 32;
  const std::vector<Span> spans = spans_of("t20");
  LintOptions reference;
  reference.keeps_cached_rotations = true;
  EXPECT_TRUE(lint(input_of("vanilla", spans, request), reference)->failed());
  const Result<LintReport> again = lint(input_of("vanilla", spans, request));
  EXPECT_FALSE(again->failed());
  EXPECT_EQ(found(*again, LintSeverity::info).count("cache"), 1u) << "worth knowing";
  request.rope.original_max_positions = 84;  // 20 tokens and 64 generated ones
  EXPECT_FALSE(lint(input_of("vanilla", spans, request), reference)->failed());
  request.rope.original_max_positions = 83;
  EXPECT_TRUE(lint(input_of("vanilla", spans, request), reference)->failed());
}

TEST(Cache, SeesLayoutsThatDoNotGoOn) {
  const std::vector<Span> spans = spans_of("t4 i1x2x2 t6");
  LintInput input = input_of("mrope", spans);
  const auto whole = input.lay_out_in_two;
  input.lay_out_in_two = [&](std::span<const Span> all, int64_t cut) {
    Result<PositionTable> table = whole(all, cut);
    if (cut == 11) table->sets[0].ids.back() += 1;  // only the cut in the middle of the last text
    return table;
  };
  EXPECT_EQ(found(*lint(input), LintSeverity::error), (Names{"cache"}));
  input = input_of("mrope", spans);
  const auto rule = input.lay_out;
  input.lay_out = [&](std::span<const Span> all) {
    Result<PositionTable> table = rule(all);
    if (table->sets[0].tokens() > 14) table->sets[0].ids.back() += 1;
    return table;
  };
  EXPECT_EQ(found(*lint(input), LintSeverity::error), (Names{"cache"})) << "the id of the longer prompt's last token";
}

TEST(Batch, SeesRulesWithAMemory) {
  LintInput input = input_of("mrope", spans_of("t4 i1x2x2 t6"));
  const auto rule = input.lay_out;
  int calls = 0;
  input.lay_out = [&](std::span<const Span> all) {
    Result<PositionTable> table = rule(all);
    for (float& id : table->sets[0].ids) id += static_cast<float>(calls);
    ++calls;
    return table;
  };
  EXPECT_EQ(found(*lint(input), LintSeverity::error).count("batch"), 1u);
}

TEST(Storage, NumbersThatAreNoIds) {
  for (const float id : {NAN, INFINITY, kMaxPositionId}) {
    const LintReport report = lint_raw({0, id, 2});
    EXPECT_EQ(found(report, LintSeverity::error).count("dtype"), 1u) << id;
    EXPECT_NE(report.findings[0].message.find("token 1"), std::string::npos);
  }
  EXPECT_EQ(found(lint_raw({0, 0.5, 2}), LintSeverity::error), (Names{"dtype"})) << "an integral policy with a half";
}

TEST(Storage, Range) {
  LintOptions options;
  options.max_position = 11;
  EXPECT_EQ(found(lint_of("vanilla", "t11", options)).count("range"), 0u);
  EXPECT_EQ(found(lint_of("vanilla", "t12", options)).count("range"), 1u);
  const LintReport negative_ids = lint_of("videorope", "i1x4x4 t1");
  EXPECT_EQ(found(negative_ids, LintSeverity::info).count("range"), 1u);
  EXPECT_EQ(found(negative_ids).count("range"), 0u) << "legal for rotation";
}

TEST(Media, AreUsedInOrderAndOnce) {
  const auto with = [](auto change) {
    std::vector<Span> spans = spans_of("t2 i1x2x2 t1 i1x2x3 t1 v2x2x2 t1");
    change(spans);
    return found(*lint(input_of("vanilla", spans)), LintSeverity::error);
  };
  EXPECT_EQ(with([](auto&) {}), Names{});
  EXPECT_EQ(with([](auto& spans) { spans[3].media = 0; }), (Names{"per_image"})) << "the first twice";
  EXPECT_EQ(with([](auto& spans) { spans[3].media = 2; }), (Names{"per_image"})) << "one left out";
  EXPECT_EQ(with([](auto& spans) { spans[1].media = 1; }), (Names{"per_image"})) << "out of order";
  EXPECT_EQ(with([](auto& spans) { spans[1].features = 5; }), (Names{"per_image"}));
  EXPECT_EQ(with([](auto& spans) { spans[1].tiles = 2; }), (Names{"per_image"})) << "a tile that never comes";
  EXPECT_EQ(with([](auto& spans) {
              spans[1].tiles = spans[3].tiles = 2;
              spans[3].media = 0;
              spans[3].tile = 1;
            }),
            Names{})
      << "two tiles of one picture";
}

TEST(TextPrior, IsLostByChangedTextOrFrequencies) {
  const auto text = [](const std::string& policy) { return lint_of(policy, "t3 i1x2x2 t3"); };
  EXPECT_EQ(found(text("omni_text0")).count("text_text0"), 1u);
  EXPECT_EQ(found(text("mrope:base=20000")).count("text_freq"), 1u);
  EXPECT_EQ(found(text("mhrope:section=1-3-3")).count("text_freq"), 1u) << "one head has no position";
  EXPECT_EQ(found(text("omni:own_spectrum=1")).count("text_freq"), 1u);
  EXPECT_EQ(found(text("alibi")).count("text_freq"), 1u);
  EXPECT_EQ(found(text("mrope_i")).count("text_freq"), 0u);
  EXPECT_EQ(lint_of("mrope:base=20000", "t3 i1x2x2 t3").verdict(LintGuideline::text_prior), LintVerdict::fail);
}

TEST(Blocks, OfOnePromptAreToldApart) {
  EXPECT_EQ(found(lint_of("mrope", "t2 i1x2x2 t1 i1x2x2 t1")).count("cross_block"), 0u);
  LintInput input = input_of("mrope", spans_of("t1 i1x1x2 t1 i1x1x2 t1"));
  PositionSet& set = input.layout.positions.sets[0];
  for (int i = 0; i < 6; ++i) set.ids[static_cast<size_t>(4 * 3 + i)] = set.ids[static_cast<size_t>(1 * 3 + i)];
  input.lay_out = nullptr;
  EXPECT_EQ(found(*lint(input)).count("cross_block"), 1u);
  input.layout.declares_shared = true;
  EXPECT_EQ(found(*lint(input)).count("cross_block"), 0u);
}

TEST(Overlap, IsAheadAtTheVeryIdOfTheText) {
  // mrope ends one id before the text: one more on w is an overlap, and an interval of 0.
  LintInput input = input_of("mrope", spans_of("t1 i1x1x3 t1"));
  EXPECT_EQ(lint(input)->scores.blocks[0].future_overlap, 0.0);
  input.lay_out = nullptr;
  input.layout.positions.sets[0].ids[3 * 3 + 2] += 1;
  const LintReport report = *lint(input);
  EXPECT_NEAR(report.scores.blocks[0].future_overlap, 1.0 / 3.0, 1e-12);
  EXPECT_EQ(found(report).count("interval"), 1u);
  // At P- a cell is not behind the text, one below it is.
  input.layout.positions.sets[0].ids[1 * 3 + 0] = 0.5;
  const LintReport behind = *lint(input);
  EXPECT_NEAR(behind.scores.blocks[0].past_overlap, 1.0 / 3.0, 1e-12);
  EXPECT_EQ(found(behind).count("past_overlap"), 1u);
}

TEST(Interval, LargeOnesWarn) {
  const auto at = [](float gap) {
    LintInput input = input_of("vanilla", spans_of("t1 i1x1x2 t1"));
    input.lay_out = nullptr;
    input.layout.positions.sets[0].ids = {0, 10, 11, 11 + gap};
    return found(*lint(input)).count("interval");
  };
  EXPECT_EQ(at(8), 0u) << "four times its longer side of 2";
  EXPECT_EQ(at(9), 1u);
}

TEST(FailOn, AddsNamesAndRefusesUnknownOnes) {
  LintOptions options;
  EXPECT_FALSE(lint_of("videorope", "t4 i1x4x4 t2", options).failed()) << "guidelines warn";
  ASSERT_TRUE(add_fail_on("G2", options.fail_on).ok());
  EXPECT_TRUE(lint_of("videorope", "t4 i1x4x4 t2", options).failed());
  EXPECT_TRUE(lint_of("pano1d_ov0.5", "t4 i1x4x4 t2 i1x4x4 t2 i1x4x4 t4", options).failed()) << "defaults stay";
  ASSERT_TRUE(add_fail_on("none,growth", options.fail_on).ok());
  EXPECT_FALSE(lint_of("pano1d_ov0.5", "t4 i1x4x4 t2 i1x4x4 t2 i1x4x4 t4", options).failed() &&
               lint_of("mrope", "t2 i1x2x2 t2", options).failed());
  EXPECT_TRUE(lint_of("vanilla", "t4 i1x4x4 t2", options).failed());
  ASSERT_TRUE(add_fail_on("none,all", options.fail_on).ok());
  EXPECT_TRUE(lint_of("circle", "t4 i1x4x4 t2", options).failed());
  EXPECT_FALSE(lint_of("mrope_i", "t4 i1x4x4 t2", options).failed());
  const Status unknown = add_fail_on("cache,G4", options.fail_on);
  EXPECT_EQ(unknown.code(), StatusCode::invalid_argument);
  EXPECT_NE(unknown.message().find("\"G4\""), std::string::npos);
}

TEST(Report, HasALineForEveryCheckAndReasonsForEveryFinding) {
  const LintReport report = lint_of("videorope", "t4 i1x4x4 t2 i1x4x4 t1");
  std::vector<std::string> names;
  for (const LintCheck& check : report.checks) names.push_back(check.name);
  EXPECT_EQ(names, lint_checks());
  ASSERT_FALSE(report.findings.empty());
  EXPECT_TRUE(std::ranges::is_sorted(report.findings, std::greater<>(), &LintFinding::severity));
  for (const LintFinding& finding : report.findings) EXPECT_FALSE(finding.may_cause.empty()) << finding.check;
  const auto overlap = std::ranges::find(report.findings, std::string("future_overlap"), &LintFinding::check);
  ASSERT_NE(overlap, report.findings.end());
  EXPECT_NE(overlap->published.find("60.13"), std::string::npos);
  EXPECT_EQ(overlap->begin, 22);
  EXPECT_EQ(overlap->end, 38);
}

TEST(Input, ThatDoesNotFitIsRefused) {
  LintInput input = input_of("mrope", spans_of("t2 i1x2x2 t2"));
  input.layout.positions.sets[0].ids.pop_back();
  EXPECT_EQ(lint(input).status().code(), StatusCode::invalid_argument);
  input = input_of("mrope", spans_of("t2 i1x2x2 t2"));
  input.spans[1].begin = 3;
  EXPECT_EQ(lint(input).status().code(), StatusCode::invalid_argument);
  input = input_of("mrope", spans_of("t2 i1x2x2 t2"));
  input.layout.plans[0].plan.axis.pop_back();
  EXPECT_EQ(lint(input).status().code(), StatusCode::invalid_argument);
  input = {};
  EXPECT_FALSE(lint(input).ok());
}

}  // namespace
}  // namespace azimuth
