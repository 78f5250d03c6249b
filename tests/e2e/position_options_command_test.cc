// The options of the command that say which positions a request runs with, and what it prints about them.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "support/run_command.h"

namespace azimuth {
namespace {

using nlohmann::json;
using testing_support::Outcome;
using testing_support::quoted;
using testing_support::run;
using testing_support::TempDirectory;

const std::string kRoot = AZIMUTH_SOURCE_DIR;
const std::string kModel = quoted(kRoot + "/models/azimuth-tiny");
const std::string kPicture = quoted(kRoot + "/models/azimuth-tiny/demo.png");
const std::string kAsk = kModel + " 'How many shapes?' --image " + kPicture + " --temperature 0 ";
const std::string kInspect = kModel + " --prompt 'How many shapes?' --image " + kPicture + " ";

json positions(const std::string& options) {
  const Outcome outcome = run("positions " + kInspect + "--json " + options);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  return json::parse(outcome.output, nullptr, false);
}

// The prompt's own ids, axis-major, each times `factor`.
json scaled_ids(double factor) {
  json ids = json::array({json::array(), json::array(), json::array()});
  const json report = positions("");
  for (const json& token : report["tokens"]) {
    for (size_t axis = 0; axis < 3; ++axis) ids[axis].push_back(factor * token["position"][axis].get<double>());
  }
  return ids;
}

size_t lines(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

class PositionOptions : public testing::Test {
 protected:
  std::string file(const json& ids) const { return quoted(directory_.write("ids.json", ids.dump())); }

  void expect_refused(const std::string& arguments, const std::string& message) const {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << arguments;
    EXPECT_NE(outcome.errors.find(message), std::string::npos) << outcome.errors;
    EXPECT_EQ(lines(outcome.errors), 1u) << outcome.errors;
  }

  TempDirectory directory_;
};

TEST_F(PositionOptions, RunPrintsWhatReachesTheRotaryEmbedding) {
  const Outcome outcome =
      run("run " + kAsk + "--max-tokens 3 --ignore-eos --print-positions --positions circle:age=strategy_4");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  // Two id sets, each with its layers: the prompt in three spans, then two tokens that were fed back.
  for (const char* expected : {"prefill of tokens 0-29, rope 0, id set 0, layers 0, 2\n",
                               "prefill of tokens 0-29, rope 0, id set 1, layers 1, 3\n",
                               "  text               tokens 0-3        t 0..3  h 0..3  w 0..3\n",
                               "  image 0 (1x4x4)    tokens 4-19       t 4  h 4..7  w 4..7\n",
                               "  text               tokens 20-29      t 8..17  h 8..17  w 8..17\n",
                               "decode step 1, rope 0, id set 1, layers 1, 3\n",
                               "  generated          token 31          t 19  h 19  w 19\n"}) {
    EXPECT_NE(outcome.errors.find(expected), std::string::npos) << expected << "in\n" << outcome.errors;
  }
  EXPECT_EQ(lines(outcome.errors), 2u * 4u + 2u * 2u * 2u);
}

TEST_F(PositionOptions, GivenIdsReachTheRotaryEmbedding) {
  const std::string ids = file({{"ids", scaled_ids(0.5)}, {"next", 70.25}});
  const Outcome outcome = run("run " + kAsk + "--max-tokens 2 --ignore-eos --print-positions --position-ids " + ids);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_NE(outcome.errors.find("  image 0 (1x4x4)    tokens 4-19       t 2  h 2..3.5  w 2..3.5\n"), std::string::npos)
      << outcome.errors;
  EXPECT_NE(outcome.errors.find("  t 70.25  h 70.25  w 70.25\n"), std::string::npos) << outcome.errors;
}

TEST_F(PositionOptions, PositionsShowsGivenIds) {
  const json report = positions("--position-ids " + file(scaled_ids(2.0)));
  EXPECT_EQ(report["tokens"][3]["position"], json({6, 6, 6}));
}

TEST_F(PositionOptions, ChatGoesOnBehindGivenIds) {
  json ids = json::array();
  const json tokens = json::parse(run("positions " + kModel + " --prompt Hello --json").output)["tokens"];
  for (size_t axis = 0; axis < 3; ++axis) {
    ids.push_back(json::array());
    for (size_t i = 0; i < tokens.size(); ++i) ids[axis].push_back(2 * i);
  }
  const Outcome outcome = run("chat " + kModel + " --verbose --max-tokens 4 --position-ids " +
                                  file({{"ids", ids}, {"next", 2 * tokens.size()}}),
                              "Hello\nAnd?\n");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_NE(outcome.errors.find("tokens new"), std::string::npos) << outcome.errors;
}

TEST_F(PositionOptions, RawKeysAnswerAlike) {
  const Outcome rotated = run("run " + kAsk + "--max-tokens 8");
  const Outcome raw = run("run " + kAsk + "--max-tokens 8 --keys raw --frequencies rerotate");
  EXPECT_EQ(raw.exit_code, 0) << raw.errors;
  EXPECT_EQ(raw.output, rotated.output);
}

TEST_F(PositionOptions, VerboseSaysHowFrequenciesFollowedTheLength) {
  const std::string model = quoted(kRoot + "/tests/golden/trace/qwen3_dynamic_grows/model");
  const std::string ask = "run " + model +
                          " 'What is in the picture?' --dtype f32 --temperature 0 --ignore-eos "
                          "--max-tokens 20 --verbose ";
  EXPECT_NE(run(ask).errors.find("was computed again"), std::string::npos);
  EXPECT_NE(run(ask + "--frequencies as-reference").errors.find("kept their turn"), std::string::npos);
  EXPECT_NE(run("info " + model).output.find("frequencies follow the length"), std::string::npos);
  EXPECT_EQ(run("info " + kModel).output.find("frequencies follow the length"), std::string::npos);
}

TEST_F(PositionOptions, BenchAndTraceTakeAPolicy) {
  EXPECT_EQ(run("bench " + kModel + " --positions vanilla --prompt-tokens 8 --gen 1 --repetitions 1").exit_code, 0);
  const std::string request = quoted(directory_.write("request.json", R"({"prompts":["a b c"],"max_new_tokens":1})"));
  const Outcome outcome = run("trace " + kModel + " --request " + request + " --positions vanilla --json");
  EXPECT_EQ(json::parse(outcome.output)["position_ids"][0][0], 0) << outcome.errors;
  expect_refused(
      "trace " + kModel + " --request " + request + " --position-ids " + file({{{"ids", {1}}}, {{"ids", {2}}}}),
      "expected ids of 1 sample, found those of 2");
}

TEST_F(PositionOptions, MistakesAreOneSentence) {
  expect_refused("run " + kAsk + "--positions mrop", "nearest is \"mrope\"");
  expect_refused("run " + kAsk + "--position-ids /nowhere.npy", "no file /nowhere.npy");
  expect_refused("run " + kAsk + "--position-ids " + file({0, 1, 2}), "position ids expected 30 tokens x 1 axis");
  expect_refused("run " + kAsk + "--position-ids " + file(json::array({{{"ids", {1}}}, {{"ids", {2}}}})),
                 "give batches to azimuth trace");
  json ids = scaled_ids(1.0);
  ids[1][5] = 2e7;
  expect_refused("positions " + kInspect + "--position-ids " + file(ids),
                 "below 2^24 (16777216) for token 5 on axis h");
  expect_refused("run " + kAsk + "--keys cooked", "--keys");
}

}  // namespace
}  // namespace azimuth
