#include "text/chat_template.h"

#include <nlohmann/json.hpp>

#include "text/rust_border.h"

namespace azimuth::text {
namespace {

using nlohmann::ordered_json;

// nlohmann throws on invalid UTF-8 in a string when it writes JSON; its sentence names the byte.
Result<std::string> to_text(const ordered_json& value) {
  try {
    return value.dump();
  } catch (const ordered_json::exception& error) {
    return invalid_argument(std::string("expected UTF-8 in every string of the messages, got: ") + error.what());
  }
}

}  // namespace

void ChatTemplate::Deleter::operator()(az_template* chat_template) const {
  az_template_free(chat_template);
}

Result<ChatTemplate> ChatTemplate::create(std::string_view source,
                                          const std::vector<std::pair<std::string, std::string>>& named_tokens,
                                          const std::vector<std::string>& reserved) {
  AZ_ASSIGN_OR_RETURN(const std::string reserved_json, to_text(ordered_json(reserved)));
  az_template* handle = nullptr;
  AZ_RETURN_IF_ERROR(call_rust(
      [&](az_bytes* error) { return az_template_create(as_slice(source), as_slice(reserved_json), &handle, error); }));
  ChatTemplate result;
  result.handle_.reset(handle);
  ordered_json named = ordered_json::object();
  for (const auto& [name, content] : named_tokens) named[name] = content;
  AZ_ASSIGN_OR_RETURN(result.named_json_, to_text(named));
  return result;
}

Result<RenderedPrompt> ChatTemplate::render(const ordered_json& messages, const ordered_json& extra,
                                            const RenderOptions& options) const {
  if (!extra.is_null() && !extra.is_object()) {
    return invalid_argument(std::string("expected an object of template variables, got ") + extra.type_name());
  }
  // transformers always defines these two; templates ask `if tools`.
  ordered_json user = {{"tools", nullptr}, {"documents", nullptr}};
  if (extra.is_object()) user.update(extra);
  user["messages"] = messages;
  user["add_generation_prompt"] = options.add_generation_prompt;
  AZ_ASSIGN_OR_RETURN(const std::string user_json, to_text(user));

  az_bytes text{nullptr, 0};
  az_ranges literal{nullptr, 0};
  AZ_RETURN_IF_ERROR(call_rust([&](az_bytes* error) {
    return az_template_render(handle_.get(), as_slice(named_json_), as_slice(user_json), options.max_steps,
                              options.max_bytes, &text, &literal, error);
  }));
  RenderedPrompt result;
  result.text = take_string(text);
  for (size_t i = 0; i < literal.size; ++i) result.literal.push_back({literal.data[i].begin, literal.data[i].end});
  az_ranges_free(literal);
  return result;
}

Result<RenderedPrompt> ChatTemplate::render_json(std::string_view messages_json, std::string_view extra_json,
                                                 const RenderOptions& options) const {
  const ordered_json messages = ordered_json::parse(messages_json, nullptr, false);
  const ordered_json extra = extra_json.empty() ? ordered_json() : ordered_json::parse(extra_json, nullptr, false);
  if (messages.is_discarded() || extra.is_discarded()) {
    return invalid_argument("expected messages and template variables as JSON texts, got something else");
  }
  return render(messages, extra, options);
}

}  // namespace azimuth::text
