// azimuth score: files in and out, runs that are killed, and what is said of lines that are wrong.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
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

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<json> lines_of(const std::string& text) {
  std::vector<json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(json::parse(line));
  return lines;
}

json question(const std::string& id, const std::string& text, const std::string& completion, bool picture) {
  json parts = json::array();
  if (picture) parts.push_back({{"type", "image"}, {"image", "pictures/demo.png"}});
  parts.push_back({{"type", "text"}, {"text", text}});
  return {{"id", id}, {"messages", {{{"role", "user"}, {"content", parts}}}}, {"completion", completion}};
}

// A folder with samples and the picture that they name.
class Samples {
 public:
  Samples() {
    std::filesystem::create_directory(directory_.path("pictures"));
    std::filesystem::copy(kModel + "/demo.png", directory_.path("pictures/demo.png"));
  }
  void add(const json& sample) { text_ += sample.dump() + "\n"; }
  void add_text(const std::string& text) { text_ += text; }
  void clear() { text_.clear(); }
  std::string path(const std::string& name) const { return directory_.path(name); }
  std::string arguments(const std::string& more = "", const std::string& out = "scores.jsonl") const {
    directory_.write("samples.jsonl", text_);
    return "score " + quoted(kModel) + " --in " + quoted(path("samples.jsonl")) + " --out " + quoted(path(out)) +
           " --threads 2 " + more;
  }

 private:
  TempDirectory directory_;
  std::string text_;
};

void expect_words(const std::string& text, const std::vector<std::string>& words) {
  for (const std::string& word : words) EXPECT_NE(text.find(word), std::string::npos) << word << " in: " << text;
}

TEST(ScoreCommand, WritesOneLineForEachSampleInOrder) {
  Samples samples;
  samples.add(question("one", "What is in the picture?", "A red circle.", true));
  samples.add(question("two", "What is in the picture?", "Nothing.", true));
  json third = question("", "Say something.", "", false);
  third["id"] = 3;
  third.erase("completion");
  third["completion_ids"] = {5, 6, 7};
  samples.add(third);
  const Outcome outcome = run(samples.arguments("--top-k 2 --json"));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  const std::vector<json> lines = lines_of(read(samples.path("scores.jsonl")));
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0]["id"], "one");
  EXPECT_EQ(lines[1]["id"], "two");
  EXPECT_EQ(lines[2]["id"], 3);
  EXPECT_EQ(lines[2]["completion_ids"], json({5, 6, 7}));
  for (const json& line : lines) {
    const size_t tokens = line["completion_ids"].size();
    EXPECT_GT(tokens, 0u);
    for (const char* key : {"logprobs", "entropies", "top_ids", "top_logprobs"}) EXPECT_EQ(line[key].size(), tokens);
    for (size_t i = 0; i < tokens; ++i) {
      EXPECT_LE(line["logprobs"][i].get<double>(), line["top_logprobs"][i][0].get<double>());
      EXPECT_GE(line["entropies"][i].get<double>(), 0.0);
      EXPECT_EQ(line["top_ids"][i].size(), 2u);
    }
  }
  const json report = json::parse(outcome.output);
  EXPECT_EQ(report["samples"], 3);
  EXPECT_EQ(report["scored"], 3);
  EXPECT_EQ(report["reused"], 0);
  EXPECT_EQ(report["shared_media"], 1);
  EXPECT_GT(report["shared_tokens"], 10);

  const std::string before = read(samples.path("scores.jsonl"));
  const json again = json::parse(run(samples.arguments("--top-k 2 --json")).output);
  EXPECT_EQ(again["reused"], 3);
  EXPECT_EQ(again["scored"], 0);
  EXPECT_EQ(read(samples.path("scores.jsonl")), before);
}

// The default is the exact type of weights; another one is another setting.
TEST(ScoreCommand, TheDefaultIsF32) {
  Samples samples;
  samples.add(question("a", "Hello", "there", false));
  ASSERT_EQ(run(samples.arguments("", "default.jsonl")).exit_code, 0);
  ASSERT_EQ(run(samples.arguments("--dtype f32", "f32.jsonl")).exit_code, 0);
  ASSERT_EQ(run(samples.arguments("--dtype q8", "q8.jsonl")).exit_code, 0);
  EXPECT_EQ(read(samples.path("default.jsonl")), read(samples.path("f32.jsonl")));
  EXPECT_NE(read(samples.path("default.jsonl")), read(samples.path("q8.jsonl")));
  const Outcome outcome = run(samples.arguments("--dtype q8", "f32.jsonl"));
  EXPECT_EQ(outcome.exit_code, 2);
  expect_words(outcome.errors, {"f32.jsonl:1", "the same model under the same options", "give another --out"});
}

// The running command, with what it says on stderr in a file.
pid_t start(const std::string& arguments, const std::string& errors) {
  const std::string command = "exec " + quoted(AZIMUTH_BINARY) + " " + arguments + " >/dev/null 2>" + quoted(errors);
  const pid_t child = fork();
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  return child;
}

bool has_ended(pid_t child, int& status) {
  return waitpid(child, &status, WNOHANG) == child;
}

// Runs the command and kills it after `microseconds`; true where it had ended by itself, and well.
bool run_and_kill(const std::string& arguments, int64_t microseconds) {
  const pid_t child = start(arguments, "/dev/null");
  int status = 0;
  for (int64_t waited = 0; waited < microseconds; waited += 500) {
    if (has_ended(child, status)) return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    usleep(500);
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return false;
}

size_t whole_lines(const std::string& text) {
  return static_cast<size_t>(std::ranges::count(text, '\n'));
}

TEST(ScoreCommand, NothingIsLostOrScoredTwiceWhenKilled) {
  Samples samples;
  for (int i = 0; i < 150; ++i) {
    const std::string number = std::to_string(i);
    samples.add(question("s" + number, "What is number " + number + "?", "It is " + number + ", I think.", i % 5 == 0));
  }
  ASSERT_EQ(run(samples.arguments("--max-memory 1", "expected.jsonl")).exit_code, 0);
  const std::string expected = read(samples.path("expected.jsonl"));
  ASSERT_EQ(whole_lines(expected), 150u);

  std::mt19937 random(20260711);
  int kills_in_the_middle = 0;
  bool ended = false;
  std::string before;
  for (int attempt = 0; attempt < 200 && !ended; ++attempt) {
    const int64_t patience = std::uniform_int_distribution<int64_t>(20'000, 60'000 + 15'000 * attempt)(random);
    ended = run_and_kill(samples.arguments("--max-memory 1"), patience);
    const std::string now = read(samples.path("scores.jsonl"));
    ASSERT_TRUE(expected.starts_with(now.substr(0, now.rfind('\n') + 1))) << "a line is not what it should be";
    ASSERT_TRUE(now.starts_with(before.substr(0, before.rfind('\n') + 1))) << "a line was lost";
    kills_in_the_middle += !ended && now.size() > before.size();
    before = now;
  }
  ASSERT_TRUE(ended);
  EXPECT_EQ(before, expected);
  EXPECT_GT(kills_in_the_middle, 0) << "every run was killed before it wrote or not at all";
  const json report = json::parse(run(samples.arguments("--max-memory 1 --json")).output);
  EXPECT_EQ(report["reused"], 150);
}

TEST(ScoreCommand, APartialLastLineIsRepairedAndWholeOnesAreNotScoredAgain) {
  Samples samples;
  for (const char* id : {"a", "b", "c"}) samples.add(question(id, "Hello", id, false));
  ASSERT_EQ(run(samples.arguments()).exit_code, 0);
  const std::string expected = read(samples.path("scores.jsonl"));
  const size_t second = expected.find('\n') + 1;
  std::ofstream(samples.path("scores.jsonl")) << expected.substr(0, second + 40);
  const json report = json::parse(run(samples.arguments("--json")).output);
  EXPECT_EQ(report["reused"], 1);
  EXPECT_EQ(report["scored"], 2);
  EXPECT_EQ(read(samples.path("scores.jsonl")), expected);
}

TEST(ScoreCommand, OnlyWhatChangedIsScoredAgain) {
  Samples samples;
  for (const char* id : {"a", "b", "c"}) samples.add(question(id, "Hello", id, false));
  ASSERT_EQ(run(samples.arguments()).exit_code, 0);
  samples.clear();
  samples.add(question("c", "Hello", "c", false));
  samples.add(question("b", "Hello", "other words", false));
  samples.add(question("a", "Hello", "a", false));
  samples.add(question("d", "Hello", "d", false));
  const json report = json::parse(run(samples.arguments("--json")).output);
  EXPECT_EQ(report["reused"], 2);
  EXPECT_EQ(report["scored"], 2);
  ASSERT_EQ(run(samples.arguments("", "fresh.jsonl")).exit_code, 0);
  EXPECT_EQ(read(samples.path("scores.jsonl")), read(samples.path("fresh.jsonl")));
}

// The picture's bytes count, not its name.
TEST(ScoreCommand, AnotherPictureUnderTheSameNameIsScoredAgain) {
  Samples samples;
  samples.add(question("a", "What is it?", "A square.", true));
  ASSERT_EQ(run(samples.arguments()).exit_code, 0);
  const std::string before = read(samples.path("scores.jsonl"));
  std::filesystem::copy(
      std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/trace/qwen3_vl_two_images/media/sample0_turn0_image0.png",
      samples.path("pictures/demo.png"), std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(json::parse(run(samples.arguments("--json")).output)["scored"], 1);
  EXPECT_NE(lines_of(read(samples.path("scores.jsonl")))[0]["logprobs"], lines_of(before)[0]["logprobs"]);
}

TEST(ScoreCommand, ALineThatIsWrongStopsBeforeAnythingIsScored) {
  const std::pair<std::string, std::vector<std::string>> cases[] = {
      {"not json", {"samples.jsonl:2"}},
      {R"({"id": "b"})", {"samples.jsonl:2", "messages or a prompt"}},
      {R"({"id": "a", "prompt": "x", "completion": "y"})", {"samples.jsonl:2", "which line 1 has"}},
      {R"({"id": "b", "prompt": "x", "completion_ids": [99999999]})", {"samples.jsonl:2 (\"b\")", "found 99999999"}},
      {R"({"id": "b", "messages": [{"role": "user", "content": [{"type": "image", "image": "none.png"}]}], "completion": "y"})",
       {"samples.jsonl:2", "none.png"}},
      {R"({"id": "b", "messages": [{"role": "user", "content": [{"type": "image", "image": "samples.jsonl"}]}], "completion": "y"})",
       {"samples.jsonl:2 (\"b\")", "picture was expected"}},
      {R"({"id": "b", "prompt": "x <|image_pad|>", "completion": "y"})", {"samples.jsonl:2 (\"b\")", "placeholder"}},
  };
  for (const auto& [line, words] : cases) {
    Samples samples;
    samples.add(question("a", "Hello", "there", false));
    samples.add_text(line + "\n");
    const Outcome outcome = run(samples.arguments());
    EXPECT_EQ(outcome.exit_code, 2) << line;
    expect_words(outcome.errors, words);
    EXPECT_EQ(std::ranges::count(outcome.errors, '\n'), 1) << outcome.errors;
    const bool exists = std::filesystem::exists(samples.path("scores.jsonl"));
    EXPECT_EQ(exists ? read(samples.path("scores.jsonl")) : "", "");
  }
}

TEST(ScoreCommand, KeepsGoingWhereAskedAndTriesFailedSamplesAgain) {
  Samples samples;
  samples.add(question("a", "Hello", "there", false));
  json bad = question("b", "Hello", "", false);
  bad.erase("completion");
  bad["completion_ids"] = {99999999};
  samples.add(bad);
  samples.add(question("c", "Hello", "again", false));
  const Outcome outcome = run(samples.arguments("--keep-going"));
  EXPECT_EQ(outcome.exit_code, 1) << outcome.errors;
  expect_words(outcome.output, {"1 failed: their lines say why"});
  const std::vector<json> lines = lines_of(read(samples.path("scores.jsonl")));
  ASSERT_EQ(lines.size(), 3u);
  expect_words(lines[1]["error"], {"samples.jsonl:2 (\"b\")", "found 99999999"});
  EXPECT_FALSE(lines[1].contains("logprobs"));
  EXPECT_TRUE(lines[2].contains("logprobs"));
  samples.clear();
  for (const char* id : {"a", "b", "c"})
    samples.add(question(id, "Hello", *id == 'a' ? "there" : *id == 'b' ? "mended" : "again", false));
  const json report = json::parse(run(samples.arguments("--json")).output);
  EXPECT_EQ(report["reused"], 2);
  EXPECT_EQ(report["scored"], 1);
  EXPECT_TRUE(lines_of(read(samples.path("scores.jsonl")))[1].contains("logprobs"));
}

// A limit on the size of files stands for a disk that is full.
TEST(ScoreCommand, AFullDiskIsAnErrorAndNothingIsLost) {
  Samples samples;
  for (int i = 0; i < 40; ++i)
    samples.add(question("s" + std::to_string(i), "Hello", "a completion of some words, " + std::to_string(i), false));
  const std::string command = "(trap '' XFSZ; ulimit -f 8; " + quoted(AZIMUTH_BINARY) + " " + samples.arguments() +
                              ") 2>" + quoted(samples.path("errors"));
  EXPECT_NE(std::system(command.c_str()), 0);
  expect_words(read(samples.path("errors")), {"azimuth: cannot write ", "run the same command again"});
  const std::string before = read(samples.path("scores.jsonl"));
  const size_t written = whole_lines(before);
  ASSERT_GT(written, 0u);
  ASSERT_LT(written, 40u);
  EXPECT_TRUE(before.ends_with("\n")) << "half a line was left";
  const json report = json::parse(run(samples.arguments("--json")).output);
  EXPECT_EQ(report["reused"], written);
  EXPECT_EQ(report["scored"], 40 - written);
  EXPECT_TRUE(read(samples.path("scores.jsonl")).starts_with(before));
}

TEST(ScoreCommand, SaysWhatIsWrongInOneSentence) {
  Samples samples;
  samples.add(question("a", "Hello", "there", false));
  const std::string good = samples.arguments();
  const std::pair<std::string, std::vector<std::string>> cases[] = {
      {"score " + quoted(kModel) + " --in " + quoted(samples.path("none")) + " --out " + quoted(samples.path("o")),
       {"none that can be read", "JSONL"}},
      {"score " + quoted(kModel) + " --out x", {"--in"}},
      {"score " + quoted(kModel) + " --in x", {"--out"}},
      {good + " --temperature 0", {"--temperature"}},
      {good + " --top-k -1", {"--top-k"}},
      {good + " --max-memory 0", {"--max-memory"}},
      {good + " --positions nothing", {"nothing"}},
      {samples.arguments("", "pictures"), {"expected to be a file or not to be there"}},
      {samples.arguments("", "no/such/folder"), {"cannot write", "No such file or directory"}},
      {"score nowhere/at-all --in x --out y", {"hf download nowhere/at-all"}},
  };
  for (const auto& [arguments, words] : cases) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << arguments;
    expect_words(outcome.errors, words);
    EXPECT_EQ(std::ranges::count(outcome.errors, '\n'), 1) << outcome.errors;
  }
}

TEST(ScoreCommand, CtrlCStopsAndTheSameCommandGoesOn) {
  Samples samples;
  for (int i = 0; i < 400; ++i)
    samples.add(question("s" + std::to_string(i), "Number " + std::to_string(i), "some words", false));
  const pid_t child = start(samples.arguments("--max-memory 1"), samples.path("errors"));
  int status = 0;
  bool ended = false;
  while (!ended && read(samples.path("scores.jsonl")).empty()) ended = has_ended(child, status);
  ASSERT_FALSE(ended) << read(samples.path("errors"));
  kill(child, SIGINT);
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  const std::string now = read(samples.path("scores.jsonl"));
  if (WEXITSTATUS(status) != 0) {
    EXPECT_LT(whole_lines(now), 400u);
    expect_words(read(samples.path("errors")), {"the same command goes on from there"});
  }
  EXPECT_TRUE(now.empty() || now.ends_with("\n"));
  const json report = json::parse(run(samples.arguments("--max-memory 1 --json")).output);
  EXPECT_EQ(report["reused"], whole_lines(now));
}

TEST(ScoreCommand, HelpTeachesTheFormats) {
  const Outcome outcome = run("score --help");
  EXPECT_EQ(outcome.exit_code, 0);
  expect_words(outcome.output, {"\"completion\"", "\"logprobs\"", "goes on where it was", "--temperature", "--top-k",
                                "--max-memory", "--keep-going", "f32"});
}

}  // namespace
}  // namespace azimuth
