// The bundled model answers about pictures that its scene generator did not draw (lab/tiny/pictures).
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "azimuth/session.h"

namespace azimuth {
namespace {

using nlohmann::json;

const std::string kModel = std::string(AZIMUTH_SOURCE_DIR) + "/models/azimuth-tiny";
const std::string kPictures = std::string(AZIMUTH_SOURCE_DIR) + "/lab/tiny/pictures";

// Right answers of all questions, and how many there were.
std::pair<int, int> score(const std::string& dtype) {
  EngineOptions options;
  options.dtype = dtype;
  const Result<Engine> engine = Engine::load(kModel, options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  int right = 0;
  int asked = 0;
  for (const json& item : json::parse(std::ifstream(kPictures + "/questions.json"))) {
    Request request;
    request.base_directory = kPictures;
    const json parts = {{{"type", "image"}, {"image", item["image"]}}, {{"type", "text"}, {"text", item["question"]}}};
    request.messages = json::array({{{"role", "user"}, {"content", parts}}}).dump();
    GenerateOptions greedy;
    greedy.temperature = 0.0;
    greedy.max_new_tokens = 32;
    Session session(*engine);
    const Result<Generation> answer = session.generate(request, greedy);
    EXPECT_TRUE(answer.ok()) << answer.status().message();
    ++asked;
    right += answer->text == item["answer"].get<std::string>();
    if (dtype == "f32") {
      EXPECT_EQ(answer->text, item["answer"].get<std::string>()) << item["image"] << " " << item["question"];
    }
  }
  return {right, asked};
}

TEST(BundledModel, AnswersEveryQuestionAboutForeignPictures) {
  const auto [right, asked] = score("f32");
  EXPECT_GE(asked, 40);
  EXPECT_EQ(right, asked);
}

// Eight bits of mantissa may tip a close call; more than one in twenty would be a fault.
TEST(BundledModel, Bf16AnswersAsWell) {
  const auto [right, asked] = score("bf16");
  EXPECT_GE(right * 20, asked * 19);
}

TEST(BundledModel, IsSmallEnoughToBundle) {
  uintmax_t bytes = 0;
  for (const auto& file : std::filesystem::recursive_directory_iterator(kModel)) {
    if (file.is_regular_file()) bytes += file.file_size();
  }
  EXPECT_LE(bytes, 20'000'000u);
}

}  // namespace
}  // namespace azimuth
