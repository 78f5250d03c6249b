#include "azimuth/tokenizer.h"

#include "engine/model.h"
#include "engine/prepare.h"

namespace azimuth {

TokenizerInfo tokenizer_info(const Engine& engine) {
  const text::Tokenizer& tokenizer = *engine.impl().tokenizer;
  return {tokenizer.tokenizer_class(), tokenizer.vocab_size(), tokenizer.special_tokens(), tokenizer.named_tokens(),
          engine.impl().chat_template.has_value()};
}

Result<std::vector<int32_t>> encode_text(const Engine& engine, std::string_view text,
                                         const EncodeTextOptions& options) {
  return engine.impl().tokenizer->encode(text, {options.add_special_tokens, options.parse_special, {}});
}

Result<std::string> decode_ids(const Engine& engine, std::span<const int32_t> ids, bool skip_special) {
  return engine.impl().tokenizer->decode(ids, skip_special);
}

std::optional<int32_t> token_to_id(const Engine& engine, std::string_view token) {
  return engine.impl().tokenizer->token_to_id(token);
}

std::optional<std::string> id_to_token(const Engine& engine, int32_t id) {
  return engine.impl().tokenizer->id_to_token(id);
}

Result<std::string> render_chat(const Engine& engine, const std::string& messages, const RenderChatOptions& options) {
  Request request;
  request.messages = messages;
  request.template_kwargs = options.template_kwargs;
  request.add_generation_prompt = options.add_generation_prompt;
  return engine::render_messages(engine.impl(), request);
}

}  // namespace azimuth
