// azimuth quantize, and what the other commands make of the directory that it writes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "support/run_command.h"
#include "support/temp_directory.h"

namespace azimuth {
namespace {

using nlohmann::json;
using testing_support::Outcome;
using testing_support::quoted;
using testing_support::run;
using testing_support::TempDirectory;

const std::string kModel = std::string(AZIMUTH_SOURCE_DIR) + "/models/azimuth-tiny";
const std::string kQuestion = " 'What is in the picture?' --image " + quoted(kModel + "/demo.png");

TEST(QuantizeCommand, WritesADirectoryThatAnswers) {
  const TempDirectory directory;
  const std::string out = directory.path("tiny-q4");
  const Outcome written = run("quantize " + quoted(kModel) + " " + quoted(out) + " --type q4");
  ASSERT_EQ(written.exit_code, 0) << written.errors;
  EXPECT_NE(written.output.find("MB of weights in q4, of 6.9 MB"), std::string::npos) << written.output;
  const Outcome answer = run("run " + quoted(out) + kQuestion);
  ASSERT_EQ(answer.exit_code, 0) << answer.errors;
  EXPECT_EQ(answer.output, run("run " + quoted(kModel) + kQuestion + " --dtype q4").output);

  const Outcome info = run("info " + quoted(out) + " --json");
  ASSERT_EQ(info.exit_code, 0) << info.errors;
  const json described = json::parse(info.output);
  EXPECT_EQ(described["dtype"], "q4");
  EXPECT_EQ(described["quantised"], true);
  const json original = json::parse(run("info " + quoted(kModel) + " --json --dtype q4").output);
  EXPECT_EQ(original["quantised"], false);
  EXPECT_EQ(original["weight_bytes"], described["weight_bytes"]);
  const json f32 = json::parse(run("info " + quoted(kModel) + " --json --dtype f32").output);
  EXPECT_LT(4 * described["weight_bytes"].get<int64_t>(), f32["weight_bytes"].get<int64_t>());

  const Outcome accuracy = run("bench " + quoted(out) + " --accuracy --reference " + quoted(kModel) + " --json");
  ASSERT_EQ(accuracy.exit_code, 0) << accuracy.errors;
  const json figures = json::parse(accuracy.output);
  for (const char* key : {"dtype", "tokens", "mean_kl", "max_kl", "top1_agreement", "mean_logprob_difference",
                          "max_logprob_difference", "questions"}) {
    EXPECT_TRUE(figures.contains(key)) << key;
  }
  EXPECT_EQ(figures["questions"]["asked"], 200);
}

TEST(QuantizeCommand, SaysWhatIsWrongInOneSentence) {
  const TempDirectory directory;
  const std::string out = directory.path("out");
  ASSERT_EQ(run("quantize " + quoted(kModel) + " " + quoted(out) + " --type q8 --json").exit_code, 0);
  const std::pair<std::string, std::string> cases[] = {
      {"quantize " + quoted(kModel) + " " + quoted(out) + " --type q8", "expected to be a new or an empty directory"},
      {"quantize " + quoted(out) + " " + quoted(directory.path("again")) + " --type q4",
       "quantise the original, errors would add up"},
      {"quantize " + quoted(kModel) + " " + quoted(directory.path("x")), "--type"},
      {"quantize " + quoted(kModel) + " " + quoted(directory.path("x")) + " --type bf16", "--type"},
      {"quantize nowhere/at-all " + quoted(directory.path("x")) + " --type q4", "hf download nowhere/at-all"},
      {"run " + quoted(out) + " hello --dtype f32", "leave --dtype out, or load the original checkpoint"},
      {"bench " + quoted(out) + " --accuracy", "give --reference DIR"},
      {"bench " + quoted(kModel) + " --reference " + quoted(kModel), "--accuracy"},
  };
  for (const auto& [arguments, words] : cases) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << arguments;
    EXPECT_NE(outcome.errors.find(words), std::string::npos) << arguments << ": " << outcome.errors;
    EXPECT_EQ(std::count(outcome.errors.begin(), outcome.errors.end(), '\n'), 1) << outcome.errors;
  }
  EXPECT_FALSE(std::filesystem::exists(directory.path("x")));
  EXPECT_FALSE(std::filesystem::exists(directory.path("again")));
}

// A limit on the size of files stands for a disk that is full.
TEST(QuantizeCommand, LeavesNothingWhereItCannotWrite) {
  const TempDirectory directory;
  const std::string out = directory.path("out");
  const std::string command = "(trap '' XFSZ; ulimit -f 600; " + quoted(AZIMUTH_BINARY) + " quantize " +
                              quoted(kModel) + " " + quoted(out) + " --type q4) 2>" + quoted(directory.path("errors"));
  EXPECT_NE(std::system(command.c_str()), 0);
  std::ifstream file(directory.path("errors"));
  const std::string errors{std::istreambuf_iterator<char>(file), {}};
  EXPECT_TRUE(errors.starts_with("azimuth: cannot write ")) << errors;
  EXPECT_FALSE(std::filesystem::exists(out));
  EXPECT_FALSE(std::filesystem::exists(out + ".partial"));
}

}  // namespace
}  // namespace azimuth
