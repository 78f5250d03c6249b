#include "models/families.h"

#include <algorithm>

#include "models/registry.h"

namespace azimuth::models {
namespace {

template <typename Entry>
Result<const Entry*> find(const std::vector<Entry>& entries, std::string_view model_type, std::string_view what) {
  for (const Entry& entry : entries) {
    if (entry.model_type == model_type) return &entry;
  }
  std::vector<std::string> known;
  for (const Entry& entry : entries) known.push_back(entry.model_type);
  std::sort(known.begin(), known.end());
  std::string list;
  for (const std::string& name : known) list += (list.empty() ? "" : ", ") + name;
  return unsupported("config.json names " + std::string(what) + " " + quote_json(model_type) +
                     ", which this build does not run; known are " + list);
}

// A checkpoint that was trained with another position policy than its family names it: "position_policy".
Result<std::string> read_policy(const JsonView& config, const std::string& family_policy) {
  constexpr std::string_view kKey = "position_policy";
  if (config.has(kKey) || !config.has("text_config")) return config.string_or(kKey, family_policy);
  AZ_ASSIGN_OR_RETURN(const JsonView text, config.object("text_config"));
  return text.string_or(kKey, family_policy);
}

}  // namespace

Result<const TextPart*> find_text_part(std::string_view model_type) {
  return find(text_parts(), model_type, "text model_type");
}

Result<const VisionPart*> find_vision_part(std::string_view model_type) {
  return find(vision_parts(), model_type, "vision model_type");
}

std::vector<std::string> known_families() {
  std::vector<std::string> names;
  for (const Family& family : families()) names.push_back(family.model_type);
  std::sort(names.begin(), names.end());
  return names;
}

Result<PublishedConfig> published_config(std::string_view model_type) {
  AZ_ASSIGN_OR_RETURN(const Family* family, find(families(), model_type, "model_type"));
  return PublishedConfig{family->published, family->published_config};
}

Result<ModelSpec> read_model_spec(const JsonView& config) {
  AZ_ASSIGN_OR_RETURN(const std::string model_type, config.string("model_type"));
  AZ_ASSIGN_OR_RETURN(const Family* family, find(families(), model_type, "model_type"));
  AZ_ASSIGN_OR_RETURN(ModelSpec spec, family->read(config));
  spec.model_type = model_type;
  AZ_ASSIGN_OR_RETURN(spec.text.policy, read_policy(config, spec.text.policy));
  return spec;
}

}  // namespace azimuth::models
