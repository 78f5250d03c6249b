// The files of `azimuth score`: what a line may say, and what is left of a file of scores whose run was ended.
#include <gtest/gtest.h>

#include <sys/file.h>

#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "score/samples_file.h"
#include "score/scores_file.h"
#include "score/setting.h"
#include "support/temp_directory.h"

namespace azimuth::scoring {
namespace {

using testing_support::TempDirectory;

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

PromptSpec picture_spec() {
  PromptSpec spec;
  spec.image = {.expansion = PromptExpansion::per_cell, .placeholder = "<image>"};
  return spec;
}

// ---- samples

TEST(SamplesFile, ReadsEveryKindOfLine) {
  const TempDirectory directory;
  directory.write("a.png", "picture");
  const std::string path = directory.write(
      "samples.jsonl",
      R"({"id": "a", "messages": [{"role": "user", "content": "hello"}], "completion": "A cat."})"
      "\n\n"
      R"({"id": 7, "prompt": "<image>x", "images": ["a.png"], "completion_ids": [3, 4], "processor_kwargs": {"a": 1}})"
      "\r\n"
      R"({"id": "c", "prompt": "", "completion": "", "add_generation_prompt": false, "positions": "vanilla"})");
  const auto file = SamplesFile::open(path, picture_spec());
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->lines().size(), 3u);
  EXPECT_EQ(file->lines()[0].id, "\"a\"");
  EXPECT_EQ(file->lines()[1].id, "7");
  EXPECT_EQ(file->lines()[1].number, 3);
  const auto second = file->read(file->lines()[1]);
  ASSERT_TRUE(second.ok()) << second.status().message();
  EXPECT_TRUE(second->request.has_prompt);
  EXPECT_EQ(second->request.images, std::vector<std::string>{"a.png"});
  EXPECT_EQ(second->request.base_directory, directory.path());
  EXPECT_EQ(second->request.processor_kwargs, "{\"a\":1}");
  EXPECT_EQ(*second->completion_ids, (std::vector<int32_t>{3, 4}));
  const auto third = file->read(file->lines()[2]);
  ASSERT_TRUE(third.ok()) << third.status().message();
  EXPECT_TRUE(third->request.has_prompt);
  EXPECT_FALSE(third->request.add_generation_prompt);
  EXPECT_EQ(third->request.positions, "vanilla");
}

TEST(SamplesFile, ErrorsNameTheLine) {
  const std::string good = R"({"id": "a", "prompt": "x", "completion": "y"})"
                           "\n";
  const std::pair<std::string, std::string> cases[] = {
      {"{\"id\": ", "samples.jsonl:2"},
      {"[1]", "samples.jsonl:2 expected an object"},
      {R"({"prompt": "x", "completion": "y"})", "samples.jsonl:2: id expected"},
      {R"({"id": 1.5, "prompt": "x", "completion": "y"})", "a text or a whole number, found 1.5"},
      {R"({"id": "a", "prompt": "x", "completion": "y"})", "found \"a\", which line 1 has"},
      {R"({"id": "b", "completion": "y"})", "samples.jsonl:2 expected messages or a prompt"},
      {R"({"id": "b", "prompt": "x"})", "one of \"completion\" and \"completion_ids\", found neither"},
      {R"({"id": "b", "prompt": "x", "completion": "y", "completion_ids": [1]})", "found both"},
      {R"({"id": "b", "prompt": "x", "completion": 3})", "samples.jsonl:2: completion expected"},
      {R"({"id": "b", "prompt": "x", "completion_ids": [1, "2"]})", "samples.jsonl:2: completion_ids[1] expected"},
      {R"({"id": "b", "prompt": "x", "completion_ids": [-1]})", "samples.jsonl:2: completion_ids[0] expected"},
      {R"({"id": "b", "prompt": "x", "completion_ids": [4294967296]})", "samples.jsonl:2: completion_ids[0] expected"},
      {R"({"id": "b", "prompt": 5, "completion": "y"})", "samples.jsonl:2: prompt expected"},
      {R"({"id": "b", "messages": "x", "completion": "y"})", "samples.jsonl:2: messages expected"},
      {R"({"id": "b", "messages": [{"role": 1}], "completion": "y"})", "samples.jsonl:2: message 0"},
      {R"({"id": "b", "messages": [{"role": "user", "content": "x"}], "images": ["a"], "completion": "y"})",
       "make them parts of the messages"},
      {R"({"id": "b", "prompt": "x", "images": ["none.png"], "completion": "y"})", "none.png that can be read"},
      {R"({"id": "b", "prompt": "x", "images": "a.png", "completion": "y"})", "samples.jsonl:2: images expected"},
      {"{\"id\": \"b\", \"prompt\": \"\xff\", \"completion\": \"y\"}", "samples.jsonl:2"},
  };
  for (const auto& [line, words] : cases) {
    const TempDirectory directory;
    const auto file = SamplesFile::open(directory.write("samples.jsonl", good + line + "\n"), picture_spec());
    ASSERT_FALSE(file.ok()) << line;
    EXPECT_NE(file.status().message().find(words), std::string::npos) << line << "\n" << file.status().message();
    EXPECT_EQ(file.status().message().find('\n'), std::string::npos);
  }
  const TempDirectory directory;
  EXPECT_NE(SamplesFile::open(directory.write("empty.jsonl", "\n \n"), picture_spec())
                .status()
                .message()
                .find("expected one sample a line, found none"),
            std::string::npos);
  EXPECT_EQ(SamplesFile::open(directory.path("none"), picture_spec()).status().code(), StatusCode::not_found);
  EXPECT_EQ(SamplesFile::open(directory.path(), picture_spec()).status().code(), StatusCode::not_found);
}

TEST(SamplesFile, LimitsAreKept) {
  const TempDirectory directory;
  const std::string line = R"({"id": "a", "prompt": "x", "completion": "y"})";
  const std::string path = directory.write("samples.jsonl", line + "\n");
  SampleLimits limits;
  limits.line_bytes = line.size() - 1;
  EXPECT_EQ(SamplesFile::open(path, picture_spec(), limits).status().code(), StatusCode::resource_exhausted);
  limits = {};
  limits.lines = 0;
  EXPECT_EQ(SamplesFile::open(path, picture_spec(), limits).status().code(), StatusCode::resource_exhausted);
}

ContentHash content(const TempDirectory& directory, const std::string& line) {
  const auto file = SamplesFile::open(directory.write("samples.jsonl", line), picture_spec());
  EXPECT_TRUE(file.ok()) << file.status().message();
  return file->lines()[0].content;
}

TEST(SamplesFile, ContentIsWhatTheScoresDependOn) {
  const TempDirectory directory;
  directory.write("a.png", "picture");
  const std::string line = R"({"id": "a", "prompt": "<image>", "images": ["a.png"], "completion": "y"})";
  const ContentHash first = content(directory, line);
  EXPECT_EQ(content(directory, R"({"completion": "y", "images":["a.png"], "id": 9, "prompt": "<image>"})"), first)
      << "another order of keys, another id";
  EXPECT_FALSE(content(directory, R"({"id": "a", "prompt": "<image>", "images": ["a.png"], "completion": "z"})") ==
               first);
  directory.write("a.png", "another picture");
  EXPECT_FALSE(content(directory, line) == first) << "the picture's bytes";
}

// ---- scores

std::vector<SampleLine> samples(std::initializer_list<const char*> ids) {
  std::vector<SampleLine> lines;
  for (const char* id : ids) {
    SampleLine line;
    line.id = std::string("\"") + id + "\"";
    lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> keys_of(const std::vector<SampleLine>& lines, const std::string& setting = "model") {
  std::vector<std::string> keys;
  for (const SampleLine& line : lines) keys.push_back(setting + "-" + line.id.substr(1, line.id.size() - 2));
  return keys;
}

std::string scored(const std::string& id, const std::string& key) {
  return R"({"id":")" + id + R"(","completion_ids":[1],"logprobs":[-0.5],"entropies":[0.25],"key":")" + key + "\"}\n";
}

// The line that a finished run has for a sample.
std::string line(const std::string& id) {
  return scored(id, "model-" + id);
}

// Opens, writes what is missing in order, and says which samples these were.
std::string complete(const std::string& path, const std::vector<SampleLine>& lines, int64_t* reused = nullptr) {
  auto file = ScoresFile::open(path, lines, keys_of(lines));
  EXPECT_TRUE(file.ok()) << file.status().message();
  if (!file.ok()) return "";
  if (reused != nullptr) *reused = file->reused();
  std::string computed;
  EXPECT_TRUE(file->append_kept().ok());
  for (size_t i = 0; i < lines.size(); ++i) {
    if (file->has(i)) continue;
    EXPECT_EQ(file->written(), i);
    const std::string id = lines[i].id.substr(1, lines[i].id.size() - 2);
    computed += id;
    const std::string text = line(id);
    EXPECT_TRUE(file->append(text.substr(0, text.size() - 1)).ok());
    EXPECT_TRUE(file->append_kept().ok());
  }
  EXPECT_TRUE(file->finish().ok());
  return computed;
}

TEST(ScoresFile, EveryCutIsCompletedToTheSameFile) {
  const std::vector<SampleLine> all = samples({"a", "b", "c"});
  const std::string whole = line("a") + line("b") + line("c");
  for (size_t bytes = 0; bytes <= whole.size(); ++bytes) {
    const TempDirectory directory;
    const std::string path = directory.write("out.jsonl", whole.substr(0, bytes));
    int64_t reused = 0;
    const std::string computed = complete(path, all, &reused);
    EXPECT_EQ(read(path), whole) << bytes;
    // A line whose numbers are all there is not computed again, even without its line end.
    const auto there = static_cast<int64_t>((bytes + 1) / line("a").size());
    EXPECT_EQ(reused, there) << bytes;
    EXPECT_EQ(computed, std::string("abc").substr(static_cast<size_t>(there))) << bytes;
    EXPECT_FALSE(std::filesystem::exists(path + ".kept"));
    EXPECT_FALSE(std::filesystem::exists(path + ".new"));
  }
}

TEST(ScoresFile, LinesOfOtherPlacesAreKept) {
  const TempDirectory directory;
  const std::string path = directory.write("out.jsonl", line("c") + line("a") + line("e"));
  const std::vector<SampleLine> all = samples({"a", "b", "c", "d", "e"});
  EXPECT_EQ(complete(path, all), "bd");
  EXPECT_EQ(read(path), line("a") + line("b") + line("c") + line("d") + line("e"));
}

// Killed between any two steps, with lines in two files.
TEST(ScoresFile, NothingIsLostWhileLinesAreMoved) {
  const std::vector<SampleLine> all = samples({"a", "b", "c", "d"});
  const std::string whole = line("a") + line("b") + line("c") + line("d");
  const std::pair<std::string, std::string> states[] = {
      {line("d") + line("b"), ""},                                // before
      {line("d") + line("b"), line("b") + line("d")},             // both files have them
      {"", line("b") + line("d")},                                // cut
      {line("a"), line("b") + line("d")},                         // gone on
      {line("a") + line("b"), line("b") + line("d")},             //
      {line("a") + line("b") + line("c"), line("b") + line("d")}  //
  };
  for (const auto& [out, kept] : states) {
    const TempDirectory directory;
    const std::string path = directory.write("out.jsonl", out);
    if (!kept.empty()) directory.write("out.jsonl.kept", kept);
    directory.write("out.jsonl.new", "half a li");
    std::string missing = "ac";
    if (out.find("\"a\"") != std::string::npos) std::erase(missing, 'a');
    if (out.find("\"c\"") != std::string::npos) std::erase(missing, 'c');
    EXPECT_EQ(complete(path, all), missing);
    EXPECT_EQ(read(path), whole);
    EXPECT_FALSE(std::filesystem::exists(path + ".kept"));
  }
}

TEST(ScoresFile, ChangedSamplesAndErrorsAreScoredAgain) {
  const TempDirectory directory;
  const std::string path =
      directory.write("out.jsonl", line("a") + scored("b", "model-before") +
                                       "{\"id\":\"c\",\"error\":\"no picture\",\"key\":\"model-c\"}\n" + line("d"));
  EXPECT_EQ(complete(path, samples({"a", "b", "c", "d"})), "bc");
  EXPECT_EQ(read(path), line("a") + line("b") + line("c") + line("d"));
}

std::string refusal(const std::string& path, const std::vector<SampleLine>& lines) {
  const std::string before = read(path);
  const auto file = ScoresFile::open(path, lines, keys_of(lines));
  EXPECT_FALSE(file.ok());
  EXPECT_EQ(read(path), before) << "a file that is refused stays as it is";
  return file.status().message();
}

TEST(ScoresFile, OtherFilesAreRefusedAndLeftAlone) {
  const TempDirectory directory;
  const std::vector<SampleLine> all = samples({"a", "b"});
  const std::string foreign = directory.write("foreign", line("a") + line("z"));
  EXPECT_NE(refusal(foreign, all).find("foreign:2 expected a sample of the file of samples, found \"z\""),
            std::string::npos);
  const std::string setting = directory.write("setting", scored("a", "other-a"));
  EXPECT_NE(refusal(setting, all).find("the same model under the same options"), std::string::npos);
  const std::string text = directory.write("text", "My novel.\nChapter 1\n");
  EXPECT_NE(refusal(text, all).find("--out expected a file of scores or none"), std::string::npos);
  const std::string object = directory.write("object", "{\"a\": 1}\n");
  EXPECT_NE(refusal(object, all).find("with \"id\" and \"key\""), std::string::npos);
  EXPECT_FALSE(ScoresFile::open(directory.path(), all, keys_of(all)).ok());
  const auto nowhere = ScoresFile::open(directory.path("no/such/out"), all, keys_of(all));
  EXPECT_NE(nowhere.status().message().find("cannot write "), std::string::npos) << nowhere.status().message();
}

TEST(ScoresFile, OneRunAtATime) {
  const TempDirectory directory;
  const std::string path = directory.path("out.jsonl");
  const std::vector<SampleLine> all = samples({"a"});
  const auto first = ScoresFile::open(path, all, keys_of(all));
  ASSERT_TRUE(first.ok());
  const auto second = ScoresFile::open(path, all, keys_of(all));
  EXPECT_NE(second.status().message().find("another one that writes to it"), std::string::npos);
}

TEST(ScoresFile, LinesHoldWhatWasScored) {
  SampleLine sample;
  sample.id = "\"a\"";
  SampleScore score;
  score.completion_ids = {3, 4};
  score.logprobs = {-0.1, -std::numeric_limits<double>::infinity()};
  score.entropies = {0.5, 0.0};
  EXPECT_EQ(line_of_score(sample, "k", score),
            R"({"id":"a","completion_ids":[3,4],"logprobs":[-0.1,null],"entropies":[0.5,0.0],"key":"k"})");
  score.top = {{{3, -0.1}, {7, -2.5}}, {{5, 0.0}, {4, -1.0}}};
  EXPECT_EQ(line_of_score(sample, "k", score),
            R"({"id":"a","completion_ids":[3,4],"logprobs":[-0.1,null],"entropies":[0.5,0.0],)"
            R"("top_ids":[[3,7],[5,4]],"top_logprobs":[[-0.1,-2.5],[0.0,-1.0]],"key":"k"})");
  SampleScore failed;
  failed.status = not_found("no picture");
  EXPECT_EQ(line_of_score(sample, "k", failed), R"({"id":"a","error":"no picture","key":"k"})");
}

// ---- settings

TEST(CheckpointHash, ChangesWithTheWeightsAndWhatDescribesThem) {
  const TempDirectory directory;
  directory.write("model/config.json", "{}");
  std::string weights(size_t{20} << 20, 'w');
  directory.write("model/model.safetensors", weights);
  directory.write("model/README.md", "notes");
  const auto hash = [&] { return *checkpoint_hash(directory.path("model")); };
  const ContentHash first = hash();
  EXPECT_EQ(hash(), first);
  directory.write("model/README.md", "other notes");
  EXPECT_EQ(hash(), first);
  directory.write("model/config.json", "{ }");
  EXPECT_FALSE(hash() == first);
  directory.write("model/config.json", "{}");
  std::fill_n(weights.begin() + (7 << 20), 1 << 20, 'v');  // a matrix of 1 MiB
  directory.write("model/model.safetensors", weights);
  EXPECT_FALSE(hash() == first);
}

}  // namespace
}  // namespace azimuth::scoring
