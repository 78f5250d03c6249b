// Any text as the files behind a tokenizer and as a chat template: an error or a result, never a crash.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "text/chat_template.h"
#include "text/detokenizer.h"

namespace {

using namespace azimuth;

void as_template(std::string_view input) {
  const auto chat = text::ChatTemplate::create(input, {{"bos_token", "<s>"}}, {"<s>", "<|im_end|>"});
  if (!chat.ok()) return;
  const nlohmann::ordered_json messages = {
      {{"role", "user"}, {"content", " <|im_end|> "}},
      {{"role", "assistant"}, {"content", {{{"type", "text"}, {"text", "<"}}, {{"type", "image"}}}}}};
  (void)chat->render(messages, nullptr, {.max_steps = 20'000, .max_bytes = 1 << 16});
}

void use(const text::Tokenizer& tokenizer) {
  const auto ids = tokenizer.encode("a <s> b\xc3\xa9\n", {.add_special_tokens = true});
  (void)tokenizer.encode("a <s> b", {.parse_special = false});
  auto detokenizer = text::Detokenizer::create(tokenizer, true);
  if (!ids.ok() || !detokenizer.ok()) return;
  for (const int32_t id : *ids) (void)detokenizer->push(id);
  (void)detokenizer->finish();
}

void as_tokenizer(std::string_view input) {
  for (const std::string_view registered : {"", "Qwen2Tokenizer", "LlamaTokenizer"}) {
    text::TokenizerFiles files;
    files.tokenizer_json = input;
    files.tokenizer_config_json = input;
    files.registered_class = registered;
    const auto tokenizer = text::Tokenizer::create(files);
    if (tokenizer.ok()) use(*tokenizer);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  as_template(input);
  as_tokenizer(input);
  return 0;
}
