#include "sampling/generation_config.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "base/json.h"

namespace azimuth::sampling {
namespace {

constexpr std::string_view kFile = "generation_config.json";
constexpr int64_t kMaxId = std::numeric_limits<int32_t>::max();

Result<std::vector<int32_t>> read_end_of_text(const JsonView& root) {
  constexpr std::string_view kKey = "eos_token_id";
  std::vector<int32_t> ids;
  if (!root.has(kKey)) return ids;
  AZ_ASSIGN_OR_RETURN(const JsonView value, root.at(kKey));
  std::vector<int64_t> listed;
  if (value.value().is_array()) {
    AZ_ASSIGN_OR_RETURN(listed, root.integers(kKey, 0, kMaxId));
  } else {
    AZ_ASSIGN_OR_RETURN(listed.emplace_back(), value.as_integer(0, kMaxId));
  }
  ids.assign(listed.begin(), listed.end());
  return ids;
}

// transformers' own defaults for keys that the file leaves out: temperature 1 and top_k 50 where it samples.
Status read_params(const JsonView& root, SamplingParams& params) {
  AZ_ASSIGN_OR_RETURN(const bool samples, root.boolean_or("do_sample", false));
  AZ_ASSIGN_OR_RETURN(const double temperature, root.number_or("temperature", 1.0));
  params.temperature = samples ? temperature : 0.0;
  AZ_ASSIGN_OR_RETURN(params.top_k, root.integer_or("top_k", 50));
  AZ_ASSIGN_OR_RETURN(params.top_p, root.number_or("top_p", 1.0));
  AZ_ASSIGN_OR_RETURN(params.min_p, root.number_or("min_p", 0.0));
  AZ_ASSIGN_OR_RETURN(params.repetition_penalty, root.number_or("repetition_penalty", 1.0));
  AZ_ASSIGN_OR_RETURN(params.max_new_tokens, root.integer_or("max_new_tokens", params.max_new_tokens));
  AZ_ASSIGN_OR_RETURN(params.min_new_tokens, root.integer_or("min_new_tokens", 0));
  return ok_status();
}

}  // namespace

Result<GenerationConfig> parse_generation_config(std::string_view text) {
  AZ_ASSIGN_OR_RETURN(const nlohmann::json json, parse_json(text, kFile));
  const JsonView root(json, kFile);
  AZ_RETURN_IF_ERROR(root.check_object());
  GenerationConfig config;
  AZ_RETURN_IF_ERROR(read_params(root, config.params));
  AZ_ASSIGN_OR_RETURN(config.end_of_text_ids, read_end_of_text(root));
  config.params.stop_ids = config.end_of_text_ids;
  AZ_RETURN_IF_ERROR(validate(config.params).with_context(kFile));
  return config;
}

}  // namespace azimuth::sampling
