// A model's tokenizer and chat template, as transformers 5.23.0 runs them. An engine without weights is enough.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "azimuth/engine.h"
#include "azimuth/status.h"

namespace azimuth {

struct TokenizerInfo {
  std::string tokenizer_class;                                  // of transformers, without "Fast"
  int64_t vocab_size = 0;                                       // added tokens included
  std::vector<std::pair<int32_t, std::string>> special_tokens;  // by id, ascending
  std::vector<std::pair<std::string, std::string>>
      named_tokens;  // "bos_token", "pad_token", ... in transformers' order
  bool has_chat_template = false;
};
TokenizerInfo tokenizer_info(const Engine& engine);

struct EncodeTextOptions {
  bool add_special_tokens = false;  // what the tokenizer itself puts around a text (bos, eos)
  bool parse_special = true;        // false: "<|im_end|>" and the like are text as any other
};
// Errors: invalid UTF-8.
Result<std::vector<int32_t>> encode_text(const Engine& engine, std::string_view text,
                                         const EncodeTextOptions& options = {});

// Ids that do not exist are left out, as in transformers. Bytes that make no character become U+FFFD.
Result<std::string> decode_ids(const Engine& engine, std::span<const int32_t> ids, bool skip_special = false);

// Tokens as the vocabulary spells them ("Ġthe" in byte-level ones).
std::optional<int32_t> token_to_id(const Engine& engine, std::string_view token);
std::optional<std::string> id_to_token(const Engine& engine, int32_t id);

struct RenderChatOptions {
  std::string template_kwargs;  // JSON object: further variables of the template ("tools", ...); may be empty
  bool add_generation_prompt = true;
};
// `messages`: as Request::messages. The text holds a placeholder for each picture and video, before they are expanded
// to one for each feature; nothing is opened.
// Errors: messages of the wrong form, what the template raises; unsupported where the checkpoint has no template and
// there is more than one question.
Result<std::string> render_chat(const Engine& engine, const std::string& messages,
                                const RenderChatOptions& options = {});

}  // namespace azimuth
