// azimuth encode, and run --image-embeds with what it wrote.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
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
const std::string kPicture = kModel + "/demo.png";
const std::string kQuestion = " 'How many shapes are there?' ";

// The header of a safetensors file.
json header_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  uint64_t length = 0;
  file.read(reinterpret_cast<char*>(&length), sizeof length);
  std::string text(length, '\0');
  file.read(text.data(), static_cast<std::streamsize>(length));
  return json::parse(text);
}

TEST(EncodeCommand, FeaturesAnswerLikeTheirPicture) {
  for (const std::string dtype : {"f32", "bf16", "q8", "q4"}) {
    const TempDirectory directory;
    const std::string file = directory.path("picture.safetensors");
    const std::string type = " --dtype " + dtype;
    const Outcome written =
        run("encode " + quoted(kModel) + " " + quoted(kPicture) + " -o " + quoted(file) + " --json" + type);
    ASSERT_EQ(written.exit_code, 0) << written.errors;
    const json summary = json::parse(written.output);
    const json header = header_of(file);
    EXPECT_EQ(header["features"]["shape"], summary["features"]);
    EXPECT_EQ(header["__metadata__"]["model_type"], "qwen3_vl");
    for (int level = 0; level < summary["deepstack_levels"]; ++level)
      EXPECT_EQ(header["deepstack." + std::to_string(level)]["shape"], summary["features"]);
    const Outcome expected = run("run " + quoted(kModel) + kQuestion + "--image " + quoted(kPicture) + type);
    const Outcome found = run("run " + quoted(kModel) + kQuestion + "--image-embeds " + quoted(file) + type);
    ASSERT_EQ(found.exit_code, 0) << found.errors;
    EXPECT_EQ(found.output, expected.output) << dtype;
    EXPECT_FALSE(found.output.empty());
  }
}

TEST(EncodeCommand, LastHiddenStatesAreWrittenOnRequest) {
  const TempDirectory directory;
  const std::string file = directory.path("picture.safetensors");
  const Outcome written =
      run("encode " + quoted(kModel) + " " + quoted(kPicture) + " -o " + quoted(file) + " --last-hidden-state --json");
  ASSERT_EQ(written.exit_code, 0) << written.errors;
  const json summary = json::parse(written.output);
  const int64_t patches = summary["grid_thw"][1].get<int64_t>() * summary["grid_thw"][2].get<int64_t>();
  EXPECT_EQ(header_of(file)["last_hidden_state"]["shape"][0], patches);
  EXPECT_EQ(summary["features"][0], patches / 4);
}

TEST(EncodeCommand, ArraysNeedTheirGridAndTheirLevels) {
  const TempDirectory directory;
  const std::string file = directory.path("picture.npy");
  ASSERT_EQ(run("encode " + quoted(kModel) + " " + quoted(kPicture) + " -o " + quoted(file)).exit_code, 0);
  const std::string ask = "run " + quoted(kModel) + kQuestion + "--image-embeds " + quoted(file);
  const Outcome without = run(ask + " --image-grid 1,4,4");
  EXPECT_EQ(without.exit_code, 2);
  EXPECT_NE(without.errors.find("DeepStack levels"), std::string::npos) << without.errors;
}

// LLaVA's features are all that there is to know of a picture.
TEST(EncodeCommand, AnArrayOfAPlainModelIsEnough) {
  const std::string model = std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/trace/llava_vicuna_published_files/model";
  const TempDirectory directory;
  const std::string file = directory.path("picture.npy");
  const Outcome written = run("encode " + quoted(model) + " " + quoted(kPicture) + " -o " + quoted(file));
  ASSERT_EQ(written.exit_code, 0) << written.errors;
  const std::string ask = "run " + quoted(model) + kQuestion + "--max-tokens 5 --temperature 0 ";
  const Outcome expected = run(ask + "--image " + quoted(kPicture));
  ASSERT_EQ(expected.exit_code, 0) << expected.errors;
  EXPECT_EQ(run(ask + "--image-embeds " + quoted(file)).output, expected.output);
}

TEST(EncodeCommand, SaysWhatIsWrongInOneSentence) {
  const TempDirectory directory;
  const auto errors = [](const Outcome& outcome) {
    EXPECT_EQ(outcome.exit_code, 2);
    return outcome.errors;
  };
  const std::string encode = "encode " + quoted(kModel) + " ";
  EXPECT_NE(
      errors(run(encode + quoted(kPicture) + " -o " + quoted(directory.path("x.txt")))).find(".safetensors or .npy"),
      std::string::npos);
  EXPECT_NE(errors(run(encode + "none.png -o " + quoted(directory.path("x.npy")))).find("none.png"), std::string::npos);
  const std::string ask = "run " + quoted(kModel) + kQuestion + "--image-embeds ";
  EXPECT_NE(errors(run(ask + "none.safetensors")).find("none.safetensors"), std::string::npos);
  EXPECT_NE(errors(run(ask + quoted(kModel + "/model.safetensors"))).find("tensor named features"), std::string::npos);
  directory.write("text.npy", "no array");
  EXPECT_NE(errors(run(ask + quoted(directory.path("text.npy")))).find("text.npy"), std::string::npos);
}

}  // namespace
}  // namespace azimuth
