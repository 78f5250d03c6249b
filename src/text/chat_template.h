// Chat templates (Jinja), rendered as transformers 5.23.0 renders them, with user text kept from becoming special
// tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "azimuth/status.h"
#include "text/tokenizer.h"

struct az_template;

namespace azimuth::text {

struct RenderOptions {
  bool add_generation_prompt = true;
  uint64_t max_steps = 50'000'000;      // instructions of the template; a long conversation takes some 10,000
  size_t max_bytes = size_t{64} << 20;  // of rendered text
};

struct RenderedPrompt {
  std::string text;
  // Where `text` holds a special string that a user wrote: to be tokenised literally. Sorted, apart.
  std::vector<ByteRange> literal;
};

// Immutable after create(); render may be called from several threads.
//
// Steps and output are limited. What a template keeps in variables without printing it is not: one that doubles a
// string sixty times runs out of memory, as the weights beside it could make the program do.
class ChatTemplate {
 public:
  // `named_tokens` become variables of the template (Tokenizer::named_tokens); `reserved` are the strings that text in
  // messages must not turn into tokens (Tokenizer::reserved_strings).
  // Errors: a template that does not parse, invalid UTF-8.
  static Result<ChatTemplate> create(std::string_view source,
                                     const std::vector<std::pair<std::string, std::string>>& named_tokens,
                                     const std::vector<std::string>& reserved);

  // `messages` is a list of messages; `extra` an object of further variables ("tools", "enable_thinking", ...), or
  // null. Ordered, since templates print objects. Strings in both are the user's. Text that only comes together in the
  // template ("<|im_" + "end|>") stays text as well, where the parts lie at the ends of strings. Errors: what the
  // template itself raises, a limit reached, invalid UTF-8 in a string.
  Result<RenderedPrompt> render(const nlohmann::ordered_json& messages, const nlohmann::ordered_json& extra,
                                const RenderOptions& options = {}) const;

  // The same from JSON texts; an empty `extra_json` is null.
  Result<RenderedPrompt> render_json(std::string_view messages_json, std::string_view extra_json = {},
                                     const RenderOptions& options = {}) const;

 private:
  struct Deleter {
    void operator()(az_template* chat_template) const;
  };

  std::unique_ptr<az_template, Deleter> handle_;
  std::string named_json_;
};

}  // namespace azimuth::text
