// Text to token ids and back, exactly as the tokenizer that transformers 5.23.0 builds from the same files.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "azimuth/status.h"

struct az_tokenizer;

namespace azimuth::text {

// Half-open range of bytes of a UTF-8 text.
struct ByteRange {
  size_t begin = 0;
  size_t end = 0;
  bool operator==(const ByteRange&) const = default;
};

// Contents (not paths) of a checkpoint's tokenizer files; empty where the checkpoint has none. Either tokenizer_json,
// or vocab_json and merges_txt, must be given. Read during create() only.
struct TokenizerFiles {
  std::string_view tokenizer_json;
  std::string_view tokenizer_config_json;
  std::string_view special_tokens_map_json;  // looked at where tokenizer_config.json lists no added tokens
  std::string_view added_tokens_json;        // likewise
  std::string_view vocab_json;
  std::string_view merges_txt;

  // The tokenizer class that transformers registers for the model family, such as "Qwen2Tokenizer", or empty. It is
  // used where the files name none, or, with registered_class_wins, instead of a named one (transformers'
  // MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS).
  std::string_view registered_class;
  bool registered_class_wins = false;

  // Strings beside the special tokens that user text must not turn into tokens: the family's media placeholders.
  std::vector<std::string> placeholders;
};

struct EncodeOptions {
  bool add_special_tokens = false;          // what the tokenizer itself puts around a text (bos, eos)
  bool parse_special = true;                // false: the whole text is literal
  std::span<const ByteRange> literal = {};  // sorted, apart: text in which no special token is recognised
};

// Immutable after create(); encode and decode may be called from several threads.
class Tokenizer {
 public:
  // Errors: a file that is no valid JSON or UTF-8, a model that the class cannot use, no vocabulary at all.
  static Result<Tokenizer> create(const TokenizerFiles& files);
  static Result<Tokenizer> create(std::string_view tokenizer_json, std::string_view tokenizer_config_json);

  Result<std::vector<int32_t>> encode(std::string_view text, const EncodeOptions& options = {}) const;

  // Ids that do not exist are left out, as in transformers.
  Result<std::string> decode(std::span<const int32_t> ids, bool skip_special) const;

  std::optional<int32_t> token_to_id(std::string_view token) const;
  std::optional<std::string> id_to_token(int32_t id) const;

  int64_t vocab_size() const { return vocab_size_; }                       // added tokens included
  const std::string& tokenizer_class() const { return tokenizer_class_; }  // of transformers, without "Fast"
  bool is_special(int32_t id) const;
  const std::vector<std::pair<int32_t, std::string>>& special_tokens() const { return special_; }  // sorted by id

  // Special tokens by name ("bos_token", "pad_token", "image_token", ...), in transformers' order.
  const std::vector<std::pair<std::string, std::string>>& named_tokens() const { return named_; }
  // Empty where the tokenizer has none.
  const std::string& named_token(std::string_view name) const;
  const std::string& bos() const { return named_token("bos_token"); }
  const std::string& eos() const { return named_token("eos_token"); }
  const std::string& pad() const { return named_token("pad_token"); }

  // Special tokens and placeholders: what must stay text in what a user writes. Goes into ChatTemplate.
  const std::vector<std::string>& reserved_strings() const { return reserved_; }

 private:
  friend class Detokenizer;
  struct Deleter {
    void operator()(az_tokenizer* tokenizer) const;
  };

  std::unique_ptr<az_tokenizer, Deleter> handle_;
  int64_t vocab_size_ = 0;
  std::string tokenizer_class_;
  std::vector<std::pair<int32_t, std::string>> special_;
  std::vector<std::pair<std::string, std::string>> named_;
  std::vector<std::string> reserved_;
};

}  // namespace azimuth::text
