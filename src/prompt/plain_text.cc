#include "prompt/plain_text.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json.h"

namespace azimuth::prompt {
namespace {

struct Part {
  std::string type;
  std::string text;
};

Result<std::vector<Part>> parts_of(const JsonView& message) {
  AZ_ASSIGN_OR_RETURN(const JsonView content, message.at("content"));
  if (!content.value().is_array()) {
    AZ_ASSIGN_OR_RETURN(std::string text, content.as_string());
    return std::vector<Part>{{"text", std::move(text)}};
  }
  AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> items, content.items());
  std::vector<Part> parts;
  for (const JsonView& item : items) {
    AZ_ASSIGN_OR_RETURN(std::string type, item.string("type"));
    AZ_ASSIGN_OR_RETURN(std::string text, item.string_or("text", ""));
    parts.push_back({std::move(type), std::move(text)});
  }
  return parts;
}

// Whether the processor puts the media of these parts in front of their text by itself.
bool framed(const std::vector<Part>& parts, PromptFrame frame) {
  if (frame != PromptFrame::media_bos_text_newline && frame != PromptFrame::media_before_text) return false;
  const auto is_text = [](const Part& part) { return part.type == "text"; };
  return std::all_of(std::ranges::find_if(parts, is_text), parts.end(), is_text);
}

}  // namespace

Result<PromptText> plain_text(std::string_view messages, const PromptSpec& spec) {
  AZ_ASSIGN_OR_RETURN(const nlohmann::json root, parse_json(messages, "messages"));
  AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> list, JsonView(root, "messages").items());
  std::string role;
  if (list.size() == 1) {
    AZ_ASSIGN_OR_RETURN(role, list[0].string_or("role", ""));
  }
  if (role != "user") {
    return unsupported(
        "the checkpoint has no chat template, so messages cannot be rendered beyond one question of a user; ask that "
        "alone, or give a raw prompt");
  }
  AZ_ASSIGN_OR_RETURN(const std::vector<Part> parts, parts_of(list[0]));
  const bool media_are_framed = framed(parts, spec.frame);
  PromptText out;
  out.from_template = false;
  for (const Part& part : parts) {
    if (part.type == "text") {
      if (!part.text.empty()) out.literal.push_back({out.text.size(), out.text.size() + part.text.size()});
      out.text += part.text;
    } else if (!media_are_framed) {
      out.text += (part.type == "video" ? spec.video : spec.image).in_template();
    }
  }
  return out;
}

}  // namespace azimuth::prompt
