// The command as people and scripts meet it: exit codes, one sentence on stderr, data on stdout.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "support/run_command.h"
#include "support/temp_directory.h"

namespace azimuth {
namespace {

using nlohmann::json;
using testing_support::TempDirectory;

const std::string kCase = std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/trace/qwen3_vl_two_images";
const std::string kModel = kCase + "/model";
const std::string kPicture = kCase + "/media/sample0_turn0_image0.png";

using testing_support::Outcome;
using testing_support::quoted;
using testing_support::run;

TEST(Command, HelpTeachesEverySubcommand) {
  const Outcome all = run("--help");
  EXPECT_EQ(all.exit_code, 0);
  for (const std::string name :
       {"run", "chat", "trace", "positions", "layout", "lint", "attend", "info", "bench", "encode", "quantize"}) {
    EXPECT_NE(all.output.find("  " + name + " "), std::string::npos) << name;
    const Outcome one = run(name + " --help");
    EXPECT_EQ(one.exit_code, 0) << name;
    EXPECT_NE(one.output.find(name == "layout" ? "--segments" : "MODEL"), std::string::npos) << name;
  }
}

TEST(Command, BadUsageAndBadInputExitWithTwoAndOneSentence) {
  for (const std::string& arguments :
       {std::string(""), std::string("dance"), "run " + quoted(kModel), "run " + quoted(kModel) + " hi --temperature x",
        std::string("info nowhere/at-all"), "run " + quoted(kModel) + " hi --image missing.png",
        "bench " + quoted(kModel) + " --image 10by10", "positions " + quoted(kModel),
        // No UTF-8: a sentence where JSON's writer would throw.
        "run " + quoted(kModel) + " '\xff'", "run " + quoted(kModel) + " hi --image '\xff.png'"}) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << arguments;
    EXPECT_TRUE(outcome.output.empty()) << arguments;
    EXPECT_TRUE(outcome.errors.starts_with("azimuth: ")) << arguments << ": " << outcome.errors;
    EXPECT_EQ(std::count(outcome.errors.begin(), outcome.errors.end(), '\n'), 1) << arguments << ": " << outcome.errors;
  }
}

TEST(Command, RunAnswersTheSameTwice) {
  const std::string arguments = "run " + quoted(kModel) + " 'What is it?' --image " + quoted(kPicture) +
                                " --max-tokens 8 --temperature 0 --dtype f32";
  const Outcome first = run(arguments);
  EXPECT_EQ(first.exit_code, 0) << first.errors;
  EXPECT_GT(first.output.size(), 1u);
  EXPECT_TRUE(first.errors.empty()) << first.errors;
  EXPECT_EQ(run(arguments).output, first.output);
}

TEST(Command, VerboseNamesEveryStageWithItsRate) {
  const Outcome outcome =
      run("run " + quoted(kModel) + " 'What is it?' --image " + quoted(kPicture) + " --max-tokens 4 -v");
  EXPECT_EQ(outcome.exit_code, 0);
  for (const char* stage : {"load", "preprocess", "vision", "prefill", "decode"}) {
    EXPECT_NE(outcome.errors.find(stage), std::string::npos) << stage;
  }
  EXPECT_NE(outcome.errors.find("patches/s"), std::string::npos);
}

// The same picture twice goes through the tower once, and --verbose says so.
TEST(Command, VerboseNamesWhatWasRemembered) {
  const std::string twice = "run " + quoted(kModel) + " 'What is it?' --image " + quoted(kPicture) + " --image " +
                            quoted(kPicture) + " --max-tokens 4 --temperature 0 -v";
  const Outcome outcome = run(twice);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_NE(outcome.errors.find("vision: 1 picture from the cache ("), std::string::npos) << outcome.errors;
  EXPECT_EQ(outcome.errors.find("tokens new"), std::string::npos) << outcome.errors;  // all of them are
  const Outcome without = run(twice + " --feature-cache 0");
  EXPECT_EQ(without.errors.find("from the cache"), std::string::npos) << without.errors;
  EXPECT_EQ(without.output, outcome.output);
}

TEST(Command, BenchAsksASecondQuestionAboutThePicture) {
  // What the picture takes is not computed again.
  const std::string bench = "bench " + quoted(kModel) + " --prompt-tokens 20 --gen 3 --image 64x48 --threads 1 --json";
  const json remembers = json::parse(run(bench).output);
  const json forgets = json::parse(run(bench + " --prefix-cache 0 --feature-cache 0").output);
  EXPECT_GT(remembers["first_question_ms"].get<double>(), 0.0);
  EXPECT_GT(remembers["second_question_ms"].get<double>(), 0.0);
  EXPECT_LE(remembers["second_question_new_tokens"].get<int>() + 12, forgets["second_question_new_tokens"].get<int>());
}

TEST(Command, ChatRemembersItsPictureAndReportsMistakes) {
  const Outcome outcome = run("chat " + quoted(kModel) + " --max-tokens 4 --temperature 0 -v",
                              "/image " + kPicture + "\nWhat is it?\nAnd now?\n/image nowhere.png\n/nonsense\n/quit\n");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  EXPECT_NE(outcome.errors.find("tokens new"), std::string::npos) << outcome.errors;
  EXPECT_NE(outcome.errors.find("vision: 1 picture from the cache ("), std::string::npos) << outcome.errors;
  EXPECT_NE(outcome.errors.find("nowhere.png"), std::string::npos);
  EXPECT_NE(outcome.errors.find("/nonsense"), std::string::npos);
}

TEST(Command, PositionsPrintsWhatTheTraceSays) {
  TempDirectory directory;
  const json messages =
      json::array({{{"role", "user"},
                    {"content", {{{"type", "image"}, {"image", kPicture}}, {{"type", "text"}, {"text", "Hi"}}}}}});
  const std::string file = quoted(directory.write("messages.json", messages.dump()));
  const Outcome positions = run("positions " + quoted(kModel) + " --messages " + file + " --json");
  ASSERT_EQ(positions.exit_code, 0) << positions.errors;
  const Outcome trace = run("trace " + quoted(kModel) + " --messages " + file + " --json");
  ASSERT_EQ(trace.exit_code, 0) << trace.errors;
  const json report = json::parse(positions.output);
  const json reference = json::parse(trace.output);
  const json& ids = reference["position_ids"][0];
  ASSERT_EQ(report["tokens"].size(), reference["input_ids"][0].size());
  for (size_t token = 0; token < report["tokens"].size(); ++token) {
    EXPECT_EQ(report["tokens"][token]["id"], reference["input_ids"][0][token]);
    for (size_t axis = 0; axis < 3; ++axis) EXPECT_EQ(report["tokens"][token]["position"][axis], ids[axis][token]);
  }
  EXPECT_EQ(report["delta"], reference["rope_delta"][0]);
  const Outcome table = run("positions " + quoted(kModel) + " --messages " + file);
  EXPECT_NE(table.output.find("policy mrope_i"), std::string::npos);
  EXPECT_NE(table.output.find("image 0: grid 1 x"), std::string::npos);
}

TEST(Command, InfoAndBenchPrintJson) {
  const Outcome info = run("info " + quoted(kModel) + " --json --kernels");
  ASSERT_EQ(info.exit_code, 0) << info.errors;
  const json model = json::parse(info.output);
  EXPECT_EQ(model["model_type"], "qwen3_vl");
  EXPECT_EQ(model["section"], json({4, 3, 3}));
  EXPECT_GE(model["kernels"].size(), 4u);
  const Outcome bench =
      run("bench " + quoted(kModel) + " --prompt-tokens 20 --gen 3 --image 64x48 --repetitions 1 --threads 1 --json");
  ASSERT_EQ(bench.exit_code, 0) << bench.errors;
  const json figures = json::parse(bench.output);
  for (const char* key :
       {"dtype", "threads", "cpu", "load_s", "preprocess_ms", "vision_ms", "vision_patches", "prefill_tok_s",
        "decode_tok_s", "peak_rss_mb", "first_question_ms", "second_question_ms", "second_question_new_tokens"}) {
    EXPECT_TRUE(figures.contains(key)) << key;
  }
  EXPECT_GT(figures["prefill_tok_s"].get<double>(), 0.0);
}

}  // namespace
}  // namespace azimuth
