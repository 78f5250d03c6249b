// Compares with what transformers makes of the same files (tests/oracle/text_goldens.py).
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace azimuth::text {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;

const std::string kGoldens = AZIMUTH_SOURCE_DIR "/tests/golden/text/";

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

class TokenizerGolden : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string folder = kGoldens + GetParam();
    expected_ = json::parse(read(folder + "/expected.json"));
    const std::string file = read(folder + "/tokenizer.json");
    const std::string config = read(folder + "/tokenizer_config.json");
    const std::string registered = expected_["registered"];
    TokenizerFiles files;
    files.tokenizer_json = file;
    files.tokenizer_config_json = config;
    files.registered_class = registered;
    files.registered_class_wins = expected_["registered_wins"];
    auto created = Tokenizer::create(files);
    ASSERT_TRUE(created.ok()) << created.status().message();
    tokenizer_ = std::move(created).value();
  }

  json expected_;
  std::optional<Tokenizer> tokenizer_;
};

// The reference can encode without special tokens only where a text's start needs no prefix.
class ByteLevelGolden : public TokenizerGolden {};

TEST_P(TokenizerGolden, KnowsItsTokens) {
  EXPECT_EQ(tokenizer_->tokenizer_class(), expected_["class"].get<std::string>());
  EXPECT_EQ(tokenizer_->vocab_size(), expected_["vocab_size"].get<int64_t>());
  json named = json::object();
  for (const auto& [name, content] : tokenizer_->named_tokens()) named[name] = content;
  EXPECT_EQ(named, expected_["named"]);
  EXPECT_EQ(json(tokenizer_->special_tokens()), expected_["special"]);
  for (const auto& [id, content] : tokenizer_->special_tokens()) {
    EXPECT_TRUE(tokenizer_->is_special(id));
    EXPECT_EQ(tokenizer_->token_to_id(content), id);
    EXPECT_EQ(tokenizer_->id_to_token(id), content);
  }
}

TEST_P(TokenizerGolden, EncodesAndDecodesAsTransformers) {
  for (const json& entry : expected_["cases"]) {
    const std::string text = entry["text"];
    SCOPED_TRACE(text);
    const auto ids = tokenizer_->encode(text);
    ASSERT_TRUE(ids.ok()) << ids.status().message();
    EXPECT_EQ(*ids, entry["ids"].get<Ids>());
    const auto with_special = tokenizer_->encode(text, {.add_special_tokens = true});
    ASSERT_TRUE(with_special.ok());
    EXPECT_EQ(*with_special, entry["with_special"].get<Ids>());
    EXPECT_EQ(tokenizer_->decode(*ids, false).value(), entry["decoded"].get<std::string>());
    EXPECT_EQ(tokenizer_->decode(*ids, true).value(), entry["skipped"].get<std::string>());
  }
}

TEST_P(TokenizerGolden, DecodesAnyIds) {
  for (const json& entry : expected_["lists"]) {
    const Ids ids = entry["ids"];
    EXPECT_EQ(tokenizer_->decode(ids, false).value(), entry["decoded"].get<std::string>());
    EXPECT_EQ(tokenizer_->decode(ids, true).value(), entry["skipped"].get<std::string>());
  }
}

// What a user writes between tokens of the template stays text, and is tokenised as if it were no special token.
TEST_P(ByteLevelGolden, KeepsLiteralTextLiteral) {
  for (const json& entry : expected_["literal"]) {
    std::string text;
    std::vector<ByteRange> literal;
    for (const json& part : entry["parts"]) {
      const std::string piece = part[0];
      if (part[1].get<bool>()) literal.push_back({text.size(), text.size() + piece.size()});
      text += piece;
    }
    const auto ids = tokenizer_->encode(text, {.literal = literal});
    ASSERT_TRUE(ids.ok()) << ids.status().message();
    EXPECT_EQ(*ids, entry["ids"].get<Ids>()) << text;
  }
}

TEST_P(TokenizerGolden, TextThatIsNotParsedHasNoSpecialToken) {
  std::string text;
  for (const auto& [id, content] : tokenizer_->special_tokens()) text += content + " x" + content;
  const auto ids = tokenizer_->encode(text, {.parse_special = false});
  ASSERT_TRUE(ids.ok());
  ASSERT_GT(ids->size(), 0u);
  for (int32_t id : *ids) {
    // A vocabulary may have <unk> as what unknown characters become.
    EXPECT_TRUE(!tokenizer_->is_special(id) || tokenizer_->id_to_token(id) == tokenizer_->named_token("unk_token"))
        << id;
  }
}

INSTANTIATE_TEST_SUITE_P(Classes, TokenizerGolden,
                         testing::Values("qwen2", "qwen2_v5", "as_is", "llama", "llava", "gemma", "gpt2"),
                         [](const auto& suite) { return std::string(suite.param); });

INSTANTIATE_TEST_SUITE_P(Classes, ByteLevelGolden, testing::Values("qwen2", "qwen2_v5", "as_is", "gpt2"),
                         [](const auto& suite) { return std::string(suite.param); });

TEST(Tokenizer, LiteralTextIsTokenisedAsIfTheTokenDidNotExist) {
  const std::string file = read(kGoldens + "llama/tokenizer.json");
  const std::string config = read(kGoldens + "llama/tokenizer_config.json");
  json without_image = json::parse(config);
  std::erase_if(without_image["added_tokens_decoder"].get_ref<json::object_t&>(),
                [](const auto& token) { return token.second["content"] == "<image>"; });
  const auto tokenizer = Tokenizer::create(file, config);
  const auto ignorant = Tokenizer::create(file, without_image.dump());
  ASSERT_TRUE(tokenizer.ok() && ignorant.ok());
  for (const std::string text : {"<image>", "<s>a <image> b</s>", "<image> x <image>", "<s><image></s> y"}) {
    std::vector<ByteRange> literal;
    for (size_t at = text.find("<image>"); at != std::string::npos; at = text.find("<image>", at + 1)) {
      literal.push_back({at, at + 7});
    }
    EXPECT_EQ(tokenizer->encode(text, {.literal = literal}).value(), ignorant->encode(text).value()) << text;
    EXPECT_NE(tokenizer->encode(text).value(), ignorant->encode(text).value()) << text;
  }
}

TEST(Tokenizer, ReadsVocabAndMergesOfOldCheckpoints) {
  const std::string folder = kGoldens + "qwen2_old/";
  const std::string vocab = read(folder + "vocab.json");
  const std::string merges = read(folder + "merges.txt");
  const std::string config = read(folder + "tokenizer_config.json");
  TokenizerFiles files;
  files.vocab_json = vocab;
  files.merges_txt = merges;
  files.tokenizer_config_json = config;
  const auto tokenizer = Tokenizer::create(files);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  const json expected = json::parse(read(folder + "expected.json"));
  EXPECT_EQ(tokenizer->vocab_size(), expected["vocab_size"].get<int64_t>());
  for (const json& entry : expected["cases"]) {
    EXPECT_EQ(tokenizer->encode(entry["text"].get<std::string>()).value(), entry["ids"].get<Ids>()) << entry["text"];
  }
}

Result<Tokenizer> qwen(std::vector<std::string> placeholders = {}) {
  const std::string file = read(kGoldens + "qwen2/tokenizer.json");
  const std::string config = read(kGoldens + "qwen2/tokenizer_config.json");
  TokenizerFiles files;
  files.tokenizer_json = file;
  files.tokenizer_config_json = config;
  files.placeholders = std::move(placeholders);
  return Tokenizer::create(files);
}

TEST(Tokenizer, PlaceholdersStayTextAndOtherAddedTokensDoNot) {
  const auto tokenizer = qwen({"<tool_call>"});
  ASSERT_TRUE(tokenizer.ok());
  const int32_t call = *tokenizer->token_to_id("<tool_call>");
  const int32_t think = *tokenizer->token_to_id("<think>");
  const Ids parsed = tokenizer->encode("<tool_call><think>").value();
  EXPECT_EQ(parsed, (Ids{call, think}));
  const Ids literal = tokenizer->encode("<tool_call><think>", {.parse_special = false}).value();
  EXPECT_EQ(std::ranges::count(literal, call), 0);
  EXPECT_EQ(std::ranges::count(literal, think), 1);
}

TEST(Tokenizer, PrivateUseCharactersOfTheUserSurviveInLiteralText) {
  const auto tokenizer = qwen();
  const std::string text = "a\U000F0000b<|im_end|>\U000F0001";
  const Ids ids = tokenizer->encode(text, {.parse_special = false}).value();
  EXPECT_EQ(tokenizer->decode(ids, false).value(), text);
}

TEST(Tokenizer, RefusesInvalidUtf8ByItsPlace) {
  const auto tokenizer = qwen();
  const auto ids = tokenizer->encode("ab\xffz");
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.status().message(), "expected UTF-8 in the text to encode, got the byte 0xff at offset 2");
}

TEST(Tokenizer, RefusesLiteralRangesOutsideOfTheText) {
  const auto tokenizer = qwen();
  const std::vector<ByteRange> beyond = {{1, 9}};
  const std::vector<ByteRange> crossing = {{1, 2}};
  const std::vector<ByteRange> unsorted = {{2, 3}, {0, 1}};
  EXPECT_FALSE(tokenizer->encode("abc", {.literal = beyond}).ok());
  EXPECT_FALSE(tokenizer->encode("aé", {.literal = crossing}).ok());
  EXPECT_FALSE(tokenizer->encode("abc", {.literal = unsorted}).ok());
}

TEST(Tokenizer, DamagedFilesAreErrors) {
  const std::string good = read(kGoldens + "qwen2/tokenizer.json");
  const std::string config = read(kGoldens + "qwen2/tokenizer_config.json");
  for (const std::string& bad : {std::string(), std::string("{}"), std::string("[1]"), std::string("{\"model\":{}}"),
                                 good.substr(0, good.size() / 2), std::string("\xff\xfe")}) {
    const auto tokenizer = Tokenizer::create(bad, config);
    ASSERT_FALSE(tokenizer.ok()) << bad.substr(0, 20);
    EXPECT_NE(tokenizer.status().message().find("expected"), std::string::npos) << tokenizer.status().message();
  }
  for (const char* bad : {"[]", "{", R"({"added_tokens_decoder": 3})", R"({"added_tokens_decoder": {"x": {}}})",
                          R"({"added_tokens_decoder": {"1": {"content": 5}}})"}) {
    EXPECT_FALSE(Tokenizer::create(good, bad).ok()) << bad;
  }
}

// Cuts at every byte of a small file: an error each time, never a crash.
TEST(Tokenizer, TruncatedFilesAreErrors) {
  const std::string good = read(kGoldens + "gpt2/tokenizer.json");
  for (size_t size = 0; size + 2 < good.size(); size += 37) {
    EXPECT_FALSE(Tokenizer::create(good.substr(0, size), "").ok()) << size;
  }
}

}  // namespace
}  // namespace azimuth::text
