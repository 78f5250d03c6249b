#include "engine/trace_request.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "azimuth/log.h"
#include "base/json.h"

namespace azimuth::engine {
namespace {

constexpr int64_t kMaxSamples = 4096;
constexpr int64_t kMaxNewTokens = int64_t{1} << 20;

void warn_about_unknown_keys(const JsonView& request) {
  static const std::vector<std::string> known = {
      "conversations",  "prompts",          "images",     "videos",     "add_generation_prompt",
      "max_new_tokens", "processor_kwargs", "ignore_eos", "compat",     "padding_side",
      "positions",      "position_ids",     "keys",       "frequencies"};
  for (const std::string& key : request.keys()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    log(LogLevel::warning, "trace request: unknown key \"" + key + "\" is ignored");
  }
}

// The list under `key`, which must have one entry per sample where it exists.
Result<std::vector<JsonView>> per_sample(const JsonView& request, std::string_view key, size_t samples) {
  if (!request.has(key)) return std::vector<JsonView>{};
  AZ_ASSIGN_OR_RETURN(std::vector<JsonView> list, request.array(key));
  if (list.size() == samples) return list;
  return invalid_argument(request.where() + ": " + std::string(key) + " expected one entry for each of " +
                          std::to_string(samples) + " samples, found " + std::to_string(list.size()));
}

// "position_ids": null, or the ids of a sample, for each sample; or ids in any other form that a file may have.
Status read_ids(const JsonView& request, std::vector<Request>& samples) {
  constexpr std::string_view kKey = "position_ids";
  if (!request.has(kKey)) return ok_status();
  AZ_ASSIGN_OR_RETURN(const JsonView value, request.at(kKey));
  nlohmann::json list = value.value();
  const bool per_sample = list.is_array() && list.size() == samples.size() &&
                          std::ranges::all_of(list, [](const auto& ids) { return ids.is_null() || ids.is_object(); });
  if (!per_sample) {
    AZ_ASSIGN_OR_RETURN(std::vector<PositionIds> ids, parse_position_ids(list.dump(), value.where()));
    return set_position_ids(std::move(ids), value.where(), samples);
  }
  for (size_t i = 0; i < samples.size(); ++i) {
    if (list[i].is_null()) continue;
    AZ_ASSIGN_OR_RETURN(std::vector<PositionIds> ids, parse_position_ids(list[i].dump(), value.where()));
    samples[i].position_ids = std::move(ids[0]);
  }
  return ok_status();
}

}  // namespace

Status set_position_ids(std::vector<PositionIds> ids, std::string_view where, std::span<Request> samples) {
  if (ids.size() != samples.size()) {
    return invalid_argument(std::string(where) + " expected ids of " + std::to_string(samples.size()) +
                            (samples.size() == 1 ? " sample" : " samples") + ", found those of " +
                            std::to_string(ids.size()) + "; give one entry for each sample");
  }
  for (size_t i = 0; i < samples.size(); ++i) samples[i].position_ids = std::move(ids[i]);
  return ok_status();
}

Result<TraceRequest> read_trace_request(const std::string& text, const TraceOptions& options) {
  AZ_ASSIGN_OR_RETURN(const nlohmann::json root, parse_json(text, "request"));
  const JsonView json(root, "request");
  AZ_RETURN_IF_ERROR(json.check_object());
  warn_about_unknown_keys(json);
  TraceRequest out;
  const std::string_view leading = json.has("prompts") ? "prompts" : "conversations";
  if (!json.has(leading)) return json.expected("\"conversations\" or \"prompts\"");
  AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> samples, json.array(leading));
  if (samples.empty() || static_cast<int64_t>(samples.size()) > kMaxSamples) {
    return invalid_argument("request: " + std::string(leading) + " expected 1 to " + std::to_string(kMaxSamples) +
                            " samples, found " + std::to_string(samples.size()));
  }
  AZ_ASSIGN_OR_RETURN(out.max_new_tokens, json.integer_or("max_new_tokens", 24, 0, kMaxNewTokens));
  AZ_ASSIGN_OR_RETURN(out.ignore_eos, json.boolean_or("ignore_eos", true));
  AZ_ASSIGN_OR_RETURN(out.compat, json.string_or("compat", ""));
  AZ_ASSIGN_OR_RETURN(out.positions, json.string_or("positions", ""));
  AZ_ASSIGN_OR_RETURN(const std::string keys, json.string_or("keys", ""));
  AZ_ASSIGN_OR_RETURN(const std::string frequencies, json.string_or("frequencies", ""));
  AZ_ASSIGN_OR_RETURN(const bool add_generation_prompt, json.boolean_or("add_generation_prompt", true));
  std::string kwargs;
  if (json.has("processor_kwargs")) {
    AZ_ASSIGN_OR_RETURN(const JsonView value, json.object("processor_kwargs"));
    kwargs = value.value().dump();
  }
  AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> conversations, per_sample(json, "conversations", samples.size()));
  AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> prompts, per_sample(json, "prompts", samples.size()));
  AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> images, per_sample(json, "images", samples.size()));
  AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> videos, per_sample(json, "videos", samples.size()));
  // Templates that print parts of a message print its keys in the order in which they were written.
  const auto ordered = nlohmann::ordered_json::parse(text, nullptr, false);
  for (size_t i = 0; i < samples.size(); ++i) {
    Request sample;
    sample.base_directory = options.base_directory;
    sample.processor_kwargs = kwargs;
    sample.add_generation_prompt = add_generation_prompt;
    sample.positions = out.positions;
    sample.keys = keys;
    sample.frequencies = frequencies;
    if (!conversations.empty()) {
      sample.messages = ordered.is_discarded() ? conversations[i].value().dump() : ordered["conversations"][i].dump();
    }
    if (!prompts.empty()) {
      AZ_ASSIGN_OR_RETURN(sample.prompt, prompts[i].as_string());
      sample.has_prompt = true;
    }
    if (!images.empty() && !images[i].value().is_null()) {
      AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> paths, images[i].items());
      for (const JsonView& path : paths) {
        AZ_ASSIGN_OR_RETURN(std::string source, path.as_string());
        sample.images.push_back(std::move(source));
      }
    }
    if (!videos.empty() && !videos[i].value().is_null()) sample.videos = videos[i].value().dump();
    out.samples.push_back(std::move(sample));
  }
  AZ_RETURN_IF_ERROR(read_ids(json, out.samples));
  return out;
}

}  // namespace azimuth::engine
