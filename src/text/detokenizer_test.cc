#include "text/detokenizer.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

namespace azimuth::text {
namespace {

using nlohmann::json;

const std::string kGoldens = AZIMUTH_SOURCE_DIR "/tests/golden/text/";

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

Tokenizer load(const std::string& name) {
  auto tokenizer =
      Tokenizer::create(read(kGoldens + name + "/tokenizer.json"), read(kGoldens + name + "/tokenizer_config.json"));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  return std::move(tokenizer).value();
}

// A piece is whole characters: JSON's writer refuses anything else.
bool is_utf8(const std::string& text) {
  try {
    (void)json(text).dump();
    return true;
  } catch (const json::exception&) {
    return false;
  }
}

class DetokenizerOf : public testing::TestWithParam<const char*> {};

void expect_sum_is_whole(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, bool skip_special) {
  auto detokenizer = Detokenizer::create(tokenizer, skip_special).value();
  std::string sum;
  for (int32_t id : ids) {
    const std::string piece(detokenizer.push(id).value());
    EXPECT_TRUE(is_utf8(piece));
    sum += piece;
  }
  sum += detokenizer.finish().value();
  EXPECT_EQ(sum, tokenizer.decode(ids, skip_special).value()) << json(ids);
}

TEST_P(DetokenizerOf, PiecesAddUpToTheWholeForAnyIds) {
  const Tokenizer tokenizer = load(GetParam());
  std::mt19937 random(11);
  std::uniform_int_distribution<int32_t> any_id(-1, static_cast<int32_t>(tokenizer.vocab_size()) + 2);
  std::uniform_int_distribution<int> any_size(0, 40);
  for (int trial = 0; trial < 400; ++trial) {
    std::vector<int32_t> ids(static_cast<size_t>(any_size(random)));
    for (int32_t& id : ids) id = any_id(random);
    expect_sum_is_whole(tokenizer, ids, trial % 2 == 0);
  }
}

// Mostly bytes: characters of several tokens, broken ones, and runs that only the last byte makes invalid.
TEST_P(DetokenizerOf, PiecesAddUpForRunsOfBytes) {
  const Tokenizer tokenizer = load(GetParam());
  const bool byte_fallback = tokenizer.token_to_id("<0xE4>").has_value();
  std::mt19937 random(12);
  const std::string characters = "é你好👍\xF0\x9F\xE4\xBD 圆 ";
  std::uniform_int_distribution<size_t> any_byte(0, characters.size() - 1);
  for (int trial = 0; trial < 300; ++trial) {
    std::vector<int32_t> ids;
    size_t from = any_byte(random);
    for (int i = 0; i < 12; ++i) {
      const auto byte = static_cast<unsigned char>(characters[(from + static_cast<size_t>(i)) % characters.size()]);
      if (trial % 3 == 0 && i % 4 == 0) from = any_byte(random);
      std::optional<int32_t> id;
      if (byte_fallback) {
        char name[8];
        std::snprintf(name, sizeof name, "<0x%02X>", byte);
        id = tokenizer.token_to_id(name);
      } else {
        id = static_cast<int32_t>(byte);  // the trained alphabets hold all 256 bytes as their first ids
      }
      ASSERT_TRUE(id.has_value());
      ids.push_back(*id);
    }
    expect_sum_is_whole(tokenizer, ids, false);
  }
}

TEST_P(DetokenizerOf, TextComesBackAsItIsWritten) {
  const Tokenizer tokenizer = load(GetParam());
  const json expected = json::parse(read(kGoldens + GetParam() + "/expected.json"));
  for (const json& entry : expected["cases"]) {
    expect_sum_is_whole(tokenizer, entry["ids"].get<std::vector<int32_t>>(), false);
    expect_sum_is_whole(tokenizer, entry["ids"].get<std::vector<int32_t>>(), true);
  }
}

INSTANTIATE_TEST_SUITE_P(Classes, DetokenizerOf, testing::Values("qwen2", "as_is", "llama", "llava", "gemma", "gpt2"),
                         [](const auto& suite) { return std::string(suite.param); });

TEST(Detokenizer, NeverShowsHalfACharacter) {
  const Tokenizer tokenizer = load("qwen2");
  auto detokenizer = Detokenizer::create(tokenizer, false).value();
  const std::string family = "👩‍👩‍👧";
  const auto ids = tokenizer.encode(family).value();
  ASSERT_GT(ids.size(), 5u);
  std::string sum;
  for (int32_t id : ids) {
    const std::string piece(detokenizer.push(id).value());
    EXPECT_EQ(piece.find("\uFFFD"), std::string::npos);
    sum += piece;
  }
  EXPECT_EQ(sum, family);
}

TEST(Detokenizer, TextIsShownAsSoonAsItIsCertain) {
  const Tokenizer tokenizer = load("llama");
  auto detokenizer = Detokenizer::create(tokenizer, true).value();
  const auto ids = tokenizer.encode("a red circle").value();
  std::string sum;
  for (int32_t id : ids) sum += detokenizer.push(id).value();
  EXPECT_EQ(sum, "a red circle");
  EXPECT_EQ(detokenizer.finish().value(), "");
}

TEST(Detokenizer, OutlivesItsTokenizer) {
  auto tokenizer = std::make_unique<Tokenizer>(load("qwen2"));
  auto detokenizer = Detokenizer::create(*tokenizer, false).value();
  const auto ids = tokenizer->encode("circle").value();
  tokenizer.reset();
  std::string sum;
  for (int32_t id : ids) sum += detokenizer.push(id).value();
  EXPECT_EQ(sum, "circle");
}

}  // namespace
}  // namespace azimuth::text
