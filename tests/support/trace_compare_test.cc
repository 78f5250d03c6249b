// A comparer that does not turn red proves nothing: one planted fault per stage, each of the size that a real defect
// has.
#include "support/trace_compare.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace azimuth::testing {
namespace {

using Json = nlohmann::json;

// Two samples; twelve logits with a standard deviation of about 2.
Json sample_trace() {
  const Json logits = {-3.0, -2.5, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 2.5, 3.0, 3.5};
  const Json scores = {nullptr, -1.0, -2.0, -3.0, -1.5, -2.5, -0.5, -4.0, -3.5};
  const Json summary = {{"shape", {2, 4}},
                        {"norm", 4.0},
                        {"std", 1.0},
                        {"first_token16", {1.0, -1.0, 0.5, 2.0}},
                        {"last_token16", {0.25, -0.75, 1.5, -2.0}}};
  const Json layer = {{"norm", 3.0}, {"std", 0.5}, {"first8", {0.1, 0.2, -0.3, 0.4, -0.5, 0.6, 0.7, -0.8}}};
  const Json span = {{"kind", "text"}, {"begin", 0}, {"end", 9},         {"media", -1},
                     {"tile", 0},      {"view", 0},  {"grid", {0, 0, 0}}};
  const Json ids = {5, 6, 7, 8, 9, 10, 11, 12, 13};
  const Json entropies = {1.0, 1.5, 2.0, 2.5, 1.25, 1.75, 2.25, 0.5, 0.75};
  const Json axes = {ids, ids, ids};
  return {{"prompt", {"a", "b"}},
          {"input_ids", {ids, ids}},
          {"spans", {{span}, {span}}},
          {"image_grid_thw", {Json::array({{1, 4, 6}}), Json::array()}},
          {"position_ids", {axes, axes}},
          {"rope_delta", {-2, 0}},
          {"pixel_values", {{{"shape", {24, 12}}, {"mean", 0.125}, {"std", 0.5}, {"first32", {0.5, -0.25, 3.5}}}}},
          {"vision_features", {{summary}, Json::array()}},
          {"deepstack_features", {{summary, summary}, Json::array()}},
          {"layers_last", {{layer, layer}, {layer, layer}}},
          {"logits_last", {logits, logits}},
          {"logprobs", {scores, scores}},
          {"entropies", {entropies, entropies}},
          {"greedy_ids", {{11, 3, 4}, {11, 5, 6}}},
          {"greedy_text", {"xyz", "uvw"}},
          {"greedy_logprobs", {{-0.5, -0.75, -1.0}, {-0.5, -1.5, -1.0}}},
          {"greedy_margins", {{0.5, 0.0001, 2.0}, {0.5, 0.25, 0.5}}},
          {"decode_position_ids", {{{7, 8, 9}, {7, 8, 9}, {7, 8, 9}}, {{9, 10, 11}, {9, 10, 11}, {9, 10, 11}}}}};
}

std::string first_stage(const Json& expected, const Json& actual) {
  const TraceReport report = compare_traces(expected, actual);
  const StageReport* first = report.first_difference();
  return first == nullptr ? "" : first->stage;
}

TEST(TraceCompare, EqualTracesAreEqual) {
  const TraceReport report = compare_traces(sample_trace(), sample_trace());
  EXPECT_TRUE(report.equal()) << report.summary();
  for (const StageReport& stage : report.stages) EXPECT_GT(stage.compared, 0u) << stage.stage;
  EXPECT_EQ(report.stages.size(), 17u);
}

struct Fault {
  const char* pointer;  // what is changed
  Json value;
  const char* stage;  // where it must be seen
};

TEST(TraceCompare, EveryPlantedFaultIsSeenInItsStage) {
  const std::vector<Fault> faults = {
      {"/prompt/1", "b ", "prompt"},
      {"/input_ids/0/8", 14, "input_ids"},
      {"/spans/0/0/end", 8, "spans"},
      {"/spans/1/0/kind", "image", "spans"},
      {"/image_grid_thw/0/0", Json({1, 6, 4}), "image_grid_thw"},
      {"/position_ids/1/2/4", 10, "position_ids"},
      {"/rope_delta/0", -1, "rope_delta"},
      {"/pixel_values/0/shape/0", 25, "pixel_values"},
      {"/pixel_values/0/mean", 0.12501, "pixel_values"},
      {"/pixel_values/0/first32/1", -0.25001, "pixel_values"},
      {"/vision_features/0/0/norm", 4.001, "vision_features"},
      {"/vision_features/0/0/std", 1.00021, "vision_features"},
      {"/vision_features/0/0/first_token16/3", 2.00021, "vision_features"},
      {"/deepstack_features/0/1/last_token16/0", 0.25021, "deepstack_features"},
      {"/layers_last/1/1/first8/7", -0.80011, "layers_last"},
      {"/logits_last/1/11", 3.5005, "logits_last"},
      {"/logprobs/0/8", -3.5003, "logprobs"},
      {"/logprobs/0/0", -1.0, "logprobs"},
      {"/entropies/1/0", 1.0002, "entropies"},
      {"/greedy_ids/1/1", 6, "greedy_ids"},
      {"/greedy_text/0", "xy", "greedy_text"},
      {"/greedy_logprobs/1/2", -1.001, "greedy_logprobs"},
      {"/decode_position_ids/0/2/0", 8, "decode_position_ids"},
  };
  for (const Fault& fault : faults) {
    Json actual = sample_trace();
    actual[Json::json_pointer(fault.pointer)] = fault.value;
    EXPECT_EQ(first_stage(sample_trace(), actual), fault.stage) << fault.pointer;
  }
}

TEST(TraceCompare, ErrorsBelowTheToleranceAreNotSeen) {
  Json actual = sample_trace();
  actual["/vision_features/0/0/first_token16/3"_json_pointer] = 2.00019;
  actual["/layers_last/1/1/first8/7"_json_pointer] = -0.80009;
  actual["/logits_last/1/11"_json_pointer] = 3.5003;
  actual["/pixel_values/0/first32/2"_json_pointer] = 3.5 + 3e-6;
  const TraceReport report = compare_traces(sample_trace(), actual);
  EXPECT_TRUE(report.equal()) << report.summary();
}

TEST(TraceCompare, ListsOfNearlyEqualNumbersAreComparedOnTheScaleOfTheirLogits) {
  Json expected = sample_trace();
  expected["entropies"][1] = Json::array({0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.021});
  Json actual = expected;
  actual["/entropies/1/0"_json_pointer] = 0.02004;  // r s of the logits is 4.2e-4, an eighth of it 5.2e-5
  EXPECT_TRUE(compare_traces(expected, actual).equal());
  actual["/entropies/1/0"_json_pointer] = 0.02006;
  EXPECT_EQ(first_stage(expected, actual), "entropies");
}

TEST(TraceCompare, TheToleranceIsAnOption) {
  Json actual = sample_trace();
  actual["/logits_last/1/11"_json_pointer] = 3.503;
  EXPECT_FALSE(compare_traces(sample_trace(), actual).equal());
  EXPECT_TRUE(compare_traces(sample_trace(), actual, 2e-3).equal());
}

TEST(TraceCompare, TheEarliestStageIsReportedFirst) {
  Json actual = sample_trace();
  actual["/logits_last/0/3"_json_pointer] = 9.0;
  actual["/layers_last/0/1/first8/2"_json_pointer] = 9.0;
  const TraceReport report = compare_traces(sample_trace(), actual);
  ASSERT_NE(report.first_difference(), nullptr);
  EXPECT_EQ(*report.first_difference()->difference,
            "layers_last[0][1].first8[2]: expected -0.3, got 9, which is 93000 times the tolerance of 0.0001");
}

TEST(TraceCompare, MissingFieldsAndNumbersThatAreNoneAreSeen) {
  Json actual = sample_trace();
  actual.erase("entropies");
  EXPECT_EQ(first_stage(sample_trace(), actual), "entropies");
  actual = sample_trace();
  actual["/logits_last/0/3"_json_pointer] = nullptr;  // what NaN is printed as
  EXPECT_EQ(first_stage(sample_trace(), actual), "logits_last");
  actual = sample_trace();
  actual["logprobs"][1].erase(8);
  EXPECT_EQ(first_stage(sample_trace(), actual), "logprobs");
  actual = sample_trace();
  actual["layers_last"][0].erase(1);
  EXPECT_EQ(first_stage(sample_trace(), actual), "layers_last");
  actual = sample_trace();
  actual["vision_features"] = 3;
  EXPECT_EQ(first_stage(sample_trace(), actual), "vision_features");
}

TEST(TraceCompare, AFieldWithNothingInItMayBeAbsent) {
  Json expected = sample_trace(), actual = sample_trace();
  expected["rope_delta"] = {0, 0};
  expected["video_grid_thw"] = {Json::array(), Json::array()};
  actual.erase("rope_delta");
  EXPECT_TRUE(compare_traces(expected, actual).equal());
}

TEST(TraceCompare, AnotherChoiceWithinTheMarginIsATie) {
  Json actual = sample_trace();
  actual["greedy_ids"][0] = {11, 2, 9};  // the reference's margin at this step is 0.0001
  actual["greedy_text"][0] = "other";
  actual["greedy_logprobs"][0] = {-0.5, -0.75, -9.0};
  const TraceReport report = compare_traces(sample_trace(), actual);
  EXPECT_TRUE(report.equal()) << report.summary();
  ASSERT_EQ(report.ties.size(), 1u);
  EXPECT_NE(report.ties[0].find("sample 0, step 1"), std::string::npos) << report.ties[0];

  actual["greedy_logprobs"][0][0] = -0.6;  // before the tie
  EXPECT_EQ(first_stage(sample_trace(), actual), "greedy_logprobs");
}

TEST(TraceCompare, AnotherChoiceBeyondTheMarginIsAFault) {
  Json actual = sample_trace();
  actual["greedy_ids"][1] = {11, 4, 6};  // the reference's margin at this step is 0.25
  EXPECT_EQ(first_stage(sample_trace(), actual), "greedy_ids");
  actual["greedy_ids"][1] = {11, 5};
  EXPECT_EQ(first_stage(sample_trace(), actual), "greedy_ids");
}

TEST(TraceCompare, TensorsWithoutSpreadAreComparedAsFinelyAsTheyAreStored) {
  Json expected = sample_trace();
  Json& summary = expected["vision_features"][0][0];
  summary["std"] = 0.0;
  summary["first_token16"] = {6.0, 6.0, 6.0, 6.0};
  Json actual = expected;
  actual["/vision_features/0/0/first_token16/2"_json_pointer] = 6.000002;
  EXPECT_TRUE(compare_traces(expected, actual).equal());
  actual["/vision_features/0/0/first_token16/2"_json_pointer] = 6.000004;
  EXPECT_EQ(first_stage(expected, actual), "vision_features");
}

TEST(TraceCompare, TextsThatAreNoTracesAreRefused) {
  EXPECT_FALSE(compare_trace_texts("{}", "").ok());
  EXPECT_FALSE(compare_trace_texts("[1]", "{}").ok());
  EXPECT_TRUE(compare_trace_texts("{}", "{}").ok());
}

}  // namespace
}  // namespace azimuth::testing
