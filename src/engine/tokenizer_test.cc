#include "azimuth/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace azimuth {
namespace {

const Engine& model() {
  static const Engine engine = [] {
    EngineOptions options;
    options.load_weights = false;
    Result<Engine> loaded = Engine::load(std::string(AZIMUTH_SOURCE_DIR) + "/models/azimuth-tiny", options);
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
    return std::move(*loaded);
  }();
  return engine;
}

TEST(TokenizerInterface, TextGoesThroughIdsAndBack) {
  const auto ids = encode_text(model(), "red circle");
  ASSERT_TRUE(ids.ok()) << ids.status().message();
  EXPECT_EQ(decode_ids(model(), *ids).value(), "red circle");
  EXPECT_FALSE(encode_text(model(), "\xff").ok());
}

TEST(TokenizerInterface, SpecialTokensAreParsedUnlessTheyAreText) {
  const std::string end = "<|im_end|>";
  const std::optional<int32_t> id = token_to_id(model(), end);
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(id_to_token(model(), *id), end);
  EXPECT_EQ(encode_text(model(), end).value(), std::vector<int32_t>{*id});
  EXPECT_GT(encode_text(model(), end, {.add_special_tokens = false, .parse_special = false}).value().size(), 1u);
  EXPECT_EQ(decode_ids(model(), {{*id}}, true).value(), "");
  EXPECT_EQ(token_to_id(model(), "no such token"), std::nullopt);
  const TokenizerInfo info = tokenizer_info(model());
  EXPECT_TRUE(std::ranges::count(info.special_tokens, std::pair(*id, end)));
  EXPECT_GT(info.vocab_size, *id);
  EXPECT_TRUE(info.has_chat_template);
}

TEST(TokenizerInterface, TemplatesRenderWithoutOpeningMedia) {
  const std::string messages =
      R"([{"role":"user","content":[{"type":"image","image":"no_such.png"},{"type":"text","text":"<|im_end|>"}]}])";
  const std::string user = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|><|im_end|><|im_end|>\n";
  EXPECT_EQ(render_chat(model(), messages).value(), user + "<|im_start|>assistant\n");
  EXPECT_EQ(render_chat(model(), messages, {.template_kwargs = "", .add_generation_prompt = false}).value(), user);
  EXPECT_FALSE(render_chat(model(), "[]").ok());
  EXPECT_FALSE(render_chat(model(), messages, {.template_kwargs = "{", .add_generation_prompt = true}).ok());
}

}  // namespace
}  // namespace azimuth
