// The model families that Azimuth knows, each a file of this folder that fills a ModelSpec from config.json. Text and
// vision parts are registered once each by their own model_type and combined by the families.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "azimuth/status.h"
#include "base/json.h"
#include "spec/model_spec.h"

namespace azimuth::models {

struct TextPart {
  std::string model_type;  // of a text_config, or of a text-only checkpoint
  Result<TextSpec> (*read)(const JsonView& config);
  void (*add_weights)(const TextSpec& text, const std::vector<std::string>& prefixes,
                      const std::vector<std::string>& heads, WeightMap& map);
};

struct VisionPart {
  std::string model_type;  // of a vision_config
  Result<VisionSpec> (*read)(const JsonView& config);
  void (*add_weights)(const VisionSpec& vision, const std::vector<std::string>& prefixes, WeightMap& map);
};

struct Family {
  std::string model_type;  // of config.json
  Result<ModelSpec> (*read)(const JsonView& config);
  // config.json of a published checkpoint, by name, with the keys that say which position policies fit its decoder.
  std::string published = "";
  std::string published_config = "{}";
};

Result<const TextPart*> find_text_part(std::string_view model_type);
Result<const VisionPart*> find_vision_part(std::string_view model_type);

// model_types of all families, sorted.
std::vector<std::string> known_families();

// The published checkpoint that stands for a family where a table compares families: its name and config.
struct PublishedConfig {
  std::string name;
  std::string config;
};
Result<PublishedConfig> published_config(std::string_view model_type);

// The spec of a checkpoint. Errors name the key, or the families known for an unknown model_type.
Result<ModelSpec> read_model_spec(const JsonView& config);

}  // namespace azimuth::models
