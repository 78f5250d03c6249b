// azimuth lint: scores as tests/golden/positions/vectors.json has them, through the form in which programs ask, and the
// table that people read.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/run_command.h"

namespace azimuth {
namespace {

using nlohmann::json;
using testing_support::Outcome;
using testing_support::quoted;
using testing_support::run;
using testing_support::TempDirectory;

const std::string kTrace = std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/trace/qwen3_vl_two_images";
const std::string kModel = quoted(kTrace + "/model");
const std::string kPicture = quoted(kTrace + "/media/sample0_turn0_image0.png");

Outcome lint_cases(const json& cases, const std::string& options = "") {
  const TempDirectory directory;
  return run("lint --cases " + quoted(directory.write("cases.json", cases.dump())) + " " + options);
}

bool has_finding(const json& report, const std::string& check, const std::string& severity) {
  for (const json& finding : report["findings"]) {
    if (finding["check"] == check && finding["severity"] == severity) return true;
  }
  return false;
}

TEST(LintCommand, ScoresOfTheVectors) {
  const json vectors =
      json::parse(std::ifstream(std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/positions/vectors.json"));
  json cases = json::array();
  json expected = json::array();
  for (const auto& [input, result] : vectors["linter"]["results"].items()) {
    for (const auto& [encoding, scores] : result["scores"].items()) {
      cases.push_back({{"encoding", encoding}, {"segments", result["input"]}});
      expected.push_back(scores);
    }
  }
  const Outcome outcome = lint_cases(cases);
  EXPECT_EQ(outcome.exit_code, 1) << "some of them fail by default; " << outcome.errors;
  const json found = json::parse(outcome.output);
  ASSERT_EQ(found.size(), 44u);
  for (size_t i = 0; i < found.size(); ++i) {
    SCOPED_TRACE(cases[i].dump());
    for (const auto& [key, value] : expected[i].items()) EXPECT_EQ(found[i][key], value) << key;
  }
}

TEST(LintCommand, CasesThatFailLeaveTheOthersAlone) {
  const Outcome outcome =
      lint_cases({{{"encoding", "mrope"}, {"segments", "t3 i1x2x2 t1"}},
                  {{"encoding", "no_such"}, {"segments", "t3"}},
                  {{"encoding", "mrope"}, {"segments", "t3"}, {"head_dim", 16}, {"section", {2, 2, 2}}},
                  {{"encoding", "mrope_i"}, {"segments", "t3"}, {"head_dim", 16}, {"section", {2, 3, 3}}}});
  const json found = json::parse(outcome.output);
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0]["lattice_rank"], "2/2");
  EXPECT_EQ(found[0]["verdict"], json({{"G1", "pass"}, {"G2", "fail"}, {"G3", "pass"}}));
  EXPECT_FALSE(found[0]["failed"]);
  EXPECT_TRUE(found[1].contains("error"));
  EXPECT_NE(found[2]["error"].get<std::string>().find("adds up to 6"), std::string::npos) << found[2];
  EXPECT_TRUE(has_finding(found[3], "allocation", "error")) << found[3];
  EXPECT_EQ(outcome.exit_code, 1);
}

TEST(LintCommand, FrequenciesThatCachedKeysDoNotFollow) {
  const json cases =
      json::array({{{"encoding", "vanilla"},
                    {"segments", "t200"},
                    {"scaling", {{"rope_type", "dynamic"}, {"factor", 2.0}, {"max_position_embeddings", 100}}}}});
  const Outcome follows = lint_cases(cases);
  EXPECT_EQ(follows.exit_code, 0) << follows.output;
  EXPECT_TRUE(has_finding(json::parse(follows.output)[0], "cache", "info")) << follows.output;
  const Outcome stays = lint_cases(cases, "--frequencies as-reference");
  EXPECT_EQ(stays.exit_code, 1) << stays.output;
  EXPECT_TRUE(has_finding(json::parse(stays.output)[0], "cache", "error")) << stays.output;
}

TEST(LintCommand, ExitCodesFollowWhatFails) {
  const std::string diagonal = "lint --segments 't8 i1x8x6 t4' --positions videorope";
  EXPECT_EQ(run(diagonal).exit_code, 0) << "guidelines warn";
  EXPECT_EQ(run(diagonal + " --fail-on G1").exit_code, 1);
  EXPECT_EQ(run(diagonal + " --fail-on future_overlap").exit_code, 1);
  EXPECT_EQ(run(diagonal + " --fail-on growth").exit_code, 0);
  EXPECT_EQ(run(diagonal + " --gaps strict").exit_code, 1);
  const std::string tiles = "lint --segments 't4 i1x4x4 t2 i1x4x4 t2 i1x4x4 t4' --positions pano1d";
  EXPECT_EQ(run(tiles).exit_code, 1);
  EXPECT_EQ(run(tiles + " --gaps off").exit_code, 0);
  EXPECT_EQ(run(tiles + " --fail-on none").exit_code, 0);
  for (const std::string& bad : {std::string("lint"), std::string("lint --segments t4 --fail-on cash"),
                                 std::string("lint --segments q4"), std::string("lint --cases nowhere.json"),
                                 "lint " + kModel, std::string("lint --segments t4 --positions vanila")}) {
    const Outcome outcome = run(bad);
    EXPECT_EQ(outcome.exit_code, 2) << bad;
    EXPECT_TRUE(outcome.errors.starts_with("azimuth: ")) << bad << ": " << outcome.errors;
    EXPECT_TRUE(outcome.output.empty()) << bad;
  }
}

void expect_narrow(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 104u) << line;
  EXPECT_EQ(text.find('\x1b'), std::string::npos) << "colour off a terminal";
}

TEST(LintCommand, TableForPeople) {
  const Outcome outcome = run("lint --segments 't8 i1x8x6 t4' --positions videorope");
  EXPECT_NE(outcome.output.find("G1  positional coherence         fail"), std::string::npos) << outcome.output;
  EXPECT_NE(outcome.output.find("future_overlap     warn"), std::string::npos);
  EXPECT_NE(outcome.output.find("monotone           pass"), std::string::npos);
  EXPECT_NE(outcome.output.find("60.13"), std::string::npos);
  expect_narrow(outcome.output);
}

TEST(LintCommand, ComparesAllPolicies) {
  const Outcome outcome = run("lint --segments 't8 i1x8x6 t4' --all --kv-heads 6");
  EXPECT_EQ(outcome.exit_code, 0);
  for (const char* start : {"\nvanilla ", "\nmrope_i_reset ", "\nglin ", "\nalibi "}) {
    EXPECT_NE(outcome.output.find(start), std::string::npos) << start;
  }
  const size_t heads = outcome.output.find("\nmhrope ");
  ASSERT_NE(heads, std::string::npos);
  EXPECT_NE(outcome.output.find("section=T-H-W", heads), std::string::npos) << "needs explicit numbers";
  expect_narrow(outcome.output);
}

TEST(LintCommand, PromptOfAModel) {
  const std::string ask = "lint " + kModel + " 'What is it?' --image " + kPicture;
  const Outcome own = run(ask + " --json");
  EXPECT_EQ(own.exit_code, 0) << own.errors << own.output;
  const json report = json::parse(own.output);
  EXPECT_EQ(report["policy"], "mrope_i");
  EXPECT_EQ(report["lattice_rank"], "2/2");
  EXPECT_EQ(report["text_freq"], true);
  EXPECT_EQ(report["decode_continuous"], true);
  const json vanilla = json::parse(run(ask + " --json --positions vanilla").output);
  EXPECT_EQ(vanilla["verdict"]["G1"], "fail");
  const Outcome all = run(ask + " --all");
  EXPECT_EQ(all.exit_code, 0) << all.errors;
  EXPECT_NE(all.output.find("\nmrope_i "), std::string::npos);
  // Ids that grow by two fall behind when decoding goes on at the policy's own next id.
  const TempDirectory directory;
  json ids = json::array();
  for (int64_t i = 0; i < report["tokens"].get<int64_t>(); ++i) ids.push_back(2 * i);
  const Outcome given =
      run(ask + " --json --positions vanilla --position-ids " + quoted(directory.write("ids.json", ids.dump())));
  EXPECT_EQ(given.exit_code, 1) << given.errors;
  EXPECT_TRUE(has_finding(json::parse(given.output), "cache", "error")) << given.output;
}

TEST(PolicyMatrix, IsWhatThePageSays) {
  const Outcome outcome = run("info --policies");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  std::ifstream file(std::string(AZIMUTH_SOURCE_DIR) + "/docs/positions.md");
  std::stringstream page;
  page << file.rdbuf();
  EXPECT_NE(page.str().find("<!-- matrix -->\n" + outcome.output + "<!-- /matrix -->"), std::string::npos)
      << "run scripts/policy_matrix.py";
  const json matrix = json::parse(run("info --policies --json").output);
  EXPECT_EQ(matrix["mrope_i"]["qwen3_vl"]["fit"], "runs");
  EXPECT_EQ(matrix["mhrope"]["qwen2"]["fit"], "numbers");
  EXPECT_EQ(matrix["glin"]["llama"]["fit"], "refused");
  for (const auto& [policy, families] : matrix.items()) {
    for (const auto& [family, cell] : families.items()) {
      EXPECT_EQ(cell["fit"] != "runs", cell.contains("reason")) << policy << " on " << family;
    }
  }
}

}  // namespace
}  // namespace azimuth
