#include "text/tokenizer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "text/rust_border.h"

namespace azimuth::text {

void Tokenizer::Deleter::operator()(az_tokenizer* tokenizer) const {
  az_tokenizer_free(tokenizer);
}

Result<Tokenizer> Tokenizer::create(const TokenizerFiles& files) {
  const std::string placeholders =
      nlohmann::json(files.placeholders).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  const az_tokenizer_files raw{as_slice(files.tokenizer_json),
                               as_slice(files.tokenizer_config_json),
                               as_slice(files.special_tokens_map_json),
                               as_slice(files.added_tokens_json),
                               as_slice(files.vocab_json),
                               as_slice(files.merges_txt),
                               as_slice(files.registered_class),
                               files.registered_class_wins ? 1 : 0,
                               as_slice(placeholders)};
  Tokenizer tokenizer;
  az_tokenizer* handle = nullptr;
  AZ_RETURN_IF_ERROR(call_rust([&](az_bytes* error) { return az_tokenizer_create(&raw, &handle, error); }));
  tokenizer.handle_.reset(handle);

  az_bytes info_bytes{nullptr, 0};
  AZ_RETURN_IF_ERROR(call_rust([&](az_bytes* error) { return az_tokenizer_info(handle, &info_bytes, error); }));
  const auto info = nlohmann::ordered_json::parse(take_string(info_bytes));
  tokenizer.vocab_size_ = info["vocab_size"].get<int64_t>();
  tokenizer.tokenizer_class_ = info["class"].get<std::string>();
  for (const auto& entry : info["special"]) {
    tokenizer.special_.emplace_back(entry[0].get<int32_t>(), entry[1].get<std::string>());
  }
  for (const auto& [name, content] : info["named"].items()) {
    tokenizer.named_.emplace_back(name, content.get<std::string>());
  }
  tokenizer.reserved_ = info["reserved"].get<std::vector<std::string>>();
  return tokenizer;
}

Result<Tokenizer> Tokenizer::create(std::string_view tokenizer_json, std::string_view tokenizer_config_json) {
  TokenizerFiles files;
  files.tokenizer_json = tokenizer_json;
  files.tokenizer_config_json = tokenizer_config_json;
  return create(files);
}

Result<std::vector<int32_t>> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  std::vector<az_range> literal;
  if (!options.parse_special) {
    literal.push_back({0, text.size()});
  } else {
    for (const ByteRange& range : options.literal) literal.push_back({range.begin, range.end});
  }
  az_ids ids{nullptr, 0};
  AZ_RETURN_IF_ERROR(call_rust([&](az_bytes* error) {
    return az_tokenizer_encode(handle_.get(), as_slice(text), options.add_special_tokens ? 1 : 0, literal.data(),
                               literal.size(), &ids, error);
  }));
  std::vector<int32_t> result(ids.data, ids.data + ids.size);
  az_ids_free(ids);
  return result;
}

Result<std::string> Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  az_bytes text{nullptr, 0};
  AZ_RETURN_IF_ERROR(call_rust([&](az_bytes* error) {
    return az_tokenizer_decode(handle_.get(), ids.data(), ids.size(), skip_special ? 1 : 0, &text, error);
  }));
  return take_string(text);
}

std::optional<int32_t> Tokenizer::token_to_id(std::string_view token) const {
  int32_t id = -1;
  const Status status =
      call_rust([&](az_bytes* error) { return az_tokenizer_token_to_id(handle_.get(), as_slice(token), &id, error); });
  if (!status.ok() || id < 0) return std::nullopt;
  return id;
}

std::optional<std::string> Tokenizer::id_to_token(int32_t id) const {
  int32_t found = 0;
  az_bytes token{nullptr, 0};
  const Status status =
      call_rust([&](az_bytes* error) { return az_tokenizer_id_to_token(handle_.get(), id, &found, &token, error); });
  if (!status.ok()) return std::nullopt;
  std::string text = take_string(token);
  if (found == 0) return std::nullopt;
  return text;
}

bool Tokenizer::is_special(int32_t id) const {
  const auto found = std::ranges::lower_bound(special_, id, {}, &std::pair<int32_t, std::string>::first);
  return found != special_.end() && found->first == id;
}

const std::string& Tokenizer::named_token(std::string_view name) const {
  static const std::string none;
  const auto found = std::ranges::find(named_, name, &std::pair<std::string, std::string>::first);
  return found == named_.end() ? none : found->second;
}

}  // namespace azimuth::text
