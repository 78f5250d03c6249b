// azimuth layout against tests/golden/positions/vectors.json, through the form in which programs ask.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/run_command.h"

namespace azimuth {
namespace {

using nlohmann::json;
using testing_support::Outcome;
using testing_support::quoted;
using testing_support::run;
using testing_support::TempDirectory;

const json& vectors() {
  static const json all =
      json::parse(std::ifstream(std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/positions/vectors.json"));
  return all;
}

json answers(const json& cases) {
  const TempDirectory directory;
  const Outcome outcome = run("layout --cases " + quoted(directory.write("cases.json", cases.dump())));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  return json::parse(outcome.output);
}

// [axes][n], whether written as one row or as three
std::vector<std::vector<double>> rows(const json& ids) {
  if (ids[0].is_array()) return ids.get<std::vector<std::vector<double>>>();
  return std::vector<std::vector<double>>(3, ids.get<std::vector<double>>());
}

void expect_near(const json& found, const json& expected, double tolerance) {
  const auto a = rows(found);
  const auto b = rows(expected);
  ASSERT_EQ(a.size(), b.size());
  for (size_t axis = 0; axis < a.size(); ++axis) {
    ASSERT_EQ(a[axis].size(), b[axis].size());
    for (size_t i = 0; i < a[axis].size(); ++i) EXPECT_NEAR(a[axis][i], b[axis][i], tolerance) << axis << "," << i;
  }
}

TEST(LayoutCommand, IdsOfEveryKeyOfTheVectors) {
  const json& all = vectors();
  json cases = json::array();
  std::vector<json> expected;
  for (const auto& [key, inputs] : all["ids"].items()) {
    for (const auto& [input, entry] : inputs.items()) {
      cases.push_back({{"encoding", key}, {"segments", all["inputs"][input]}});
      expected.push_back(entry);
    }
  }
  const json found = answers(cases);
  ASSERT_EQ(found.size(), 162u);
  for (size_t i = 0; i < expected.size(); ++i) {
    SCOPED_TRACE(cases[i].dump());
    ASSERT_FALSE(found[i].contains("error")) << found[i];
    const double tolerance = expected[i]["dtype"] == "int64" ? 0.0 : 1e-4;
    EXPECT_EQ(found[i]["ids"][0].is_array(), expected[i]["rows"] == 3);
    expect_near(found[i]["ids"], expected[i]["ids"], tolerance);
    EXPECT_NEAR(found[i]["delta"].get<double>(), expected[i]["delta"].get<double>(), tolerance);
    expect_near(found[i]["decode"], expected[i]["decode"], tolerance);
  }
}

TEST(LayoutCommand, AxisMaps) {
  const json& maps = vectors()["tables"]["axis_maps"];
  ASSERT_EQ(maps.size(), 12u);
  for (const auto& [key, entry] : maps.items()) {
    SCOPED_TRACE(key);
    const int pairs = entry["pairs"];
    const json query = {{"encoding", key.substr(0, key.find('_' + std::to_string(pairs) + "pairs"))},
                        {"segments", "t3"},
                        {"head_dim", 2 * pairs},
                        {"section", entry["section"]}};
    const json found = answers(json::array({query}))[0];
    if (key == "mrope_interleaved_8pairs_2-3-3") {
      EXPECT_TRUE(found.contains("error"));  // the interleave that the reference silently cuts
    } else {
      ASSERT_FALSE(found.contains("error")) << found;
      EXPECT_EQ(found["axis_of_pair"], entry["axis_of_pair"]);
    }
  }
}

TEST(LayoutCommand, ScalingsAsHuggingFaceWritesThem) {
  const json& table = vectors()["tables"]["scaling"];
  const auto ask = [&](const std::string& key, const json& scaling) {
    SCOPED_TRACE(key);
    const json& entry = table[key];
    json query = {{"encoding", "vanilla"}, {"segments", "t3"}, {"head_dim", entry["head_dim"]}, {"scaling", scaling}};
    if (entry.contains("base")) query["base"] = entry["base"];
    if (entry.contains("seq_len")) query["seq_len"] = entry["seq_len"];
    const json found = answers(json::array({query}))[0];
    ASSERT_FALSE(found.contains("error")) << found;
    ASSERT_EQ(found["inv_freq"].size(), entry["inv_freq"].size());
    for (size_t i = 0; i < entry["inv_freq"].size(); ++i) {
      const double expected = entry["inv_freq"][i];
      EXPECT_NEAR(found["inv_freq"][i].get<double>(), expected, 2e-7 * expected) << i;
    }
    EXPECT_NEAR(found["attention_factor"].get<double>(), entry["attention_factor"].get<double>(), 1e-6);
  };
  ask("linear_hd128_f4", {{"rope_type", "linear"}, {"factor", 4.0}});
  ask("ntk_static_hd128_a4", {{"rope_type", "ntk"}, {"alpha", 4.0}});
  ask("dynamic_ntk_hd128_f2_max32768_seq98304",
      {{"rope_type", "dynamic"}, {"factor", 2.0}, {"max_position_embeddings", 32768}});
  ask("yarn_hd128_f4_orig32768_notrunc",
      {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32768}, {"truncate", false}});
  ask("proportional_hd128_p0.25", {{"rope_type", "proportional"}, {"partial_rotary_factor", 0.25}});
  json longrope = {{"rope_type", "longrope"}, {"original_max_position_embeddings", 32768}};
  for (int k = 0; k < 64; ++k) {
    longrope["short_factor"].push_back(1.0 + 0.01 * k);
    longrope["long_factor"].push_back(1.0 + 0.5 * k);
  }
  for (const char* key : {"longrope_hd128_seq32768", "longrope_hd128_seq32769"}) {
    longrope["factor"] = table[key]["max_position"].get<double>() / 32768.0;
    ask(key, longrope);
  }
}

TEST(LayoutCommand, OneWrongCaseLeavesTheOthersAlone) {
  const json found = answers(json::parse(R"([
    {"encoding":"mrope","segments":[["t",2]]}, {"encoding":"nothing","segments":[["t",2]]},
    {"encoding":"mrope","segments":[["t",2],["i",1,2]]}, {"encoding":"mrope"}, 7,
    {"encoding":"mrope","segments":[["t",2]],"section":[1,2,3]}, {"encoding":"mrope","segments":[["t",2]],"head_dim":7},
    {"encoding":"glin","segments":[["t",2]]}, {"encoding":"vanilla","segments":[["v",4000000,4000000,4000000]]},
    {"encoding":"vanilla","segments":[["t",2]],"scaling":{"rope_type":"dynamic","factor":2}},
    {"encoding":"circle:age=strategy_4","segments":[["t",2],["i",1,2,2]]}, {"encoding":"mhrope","segments":[["t",1]]},
    {"encoding":"vanilla","segments":[]}])"));
  ASSERT_EQ(found.size(), 13u);
  EXPECT_EQ(found[0]["ids"], json::array({0, 1}));
  for (size_t i = 1; i <= 9; ++i) EXPECT_TRUE(found[i].contains("error")) << i << found[i];
  EXPECT_NE(found[9]["error"].get<std::string>().find("original_max_position_embeddings"), std::string::npos);
  EXPECT_EQ(found[10]["sets"].size(), 2u);
  EXPECT_EQ(found[11]["axis_of_pair"].size(), 8u);  // one list per KV head
  EXPECT_EQ(found[11]["axis_of_pair"][7][0], 2);
  EXPECT_EQ(found[12]["ids"], json::array());
}

TEST(LayoutCommand, PeopleGetATableAndASentence) {
  const Outcome table = run("layout --segments 't5 i1x4x6 t3' --positions videorope");
  EXPECT_EQ(table.exit_code, 0);
  EXPECT_NE(table.output.find("t 5  h 4..7  w 3..8"), std::string::npos) << table.output;
  EXPECT_NE(table.output.find("first generated token 9 (delta -23)"), std::string::npos) << table.output;
  const Outcome wrong = run("layout --segments 't5 i1x4'");
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_NE(wrong.errors.find("found \"i1x4\""), std::string::npos) << wrong.errors;
  EXPECT_EQ(run("layout").exit_code, 2);
  EXPECT_EQ(run("layout --cases /nowhere.json").exit_code, 2);
}

}  // namespace
}  // namespace azimuth
