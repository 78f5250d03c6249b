// Any text as each of the JSON documents that a checkpoint ships: read by everything that reads one.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/json.h"
#include "models/families.h"
#include "models/processor_config.h"
#include "sampling/generation_config.h"

namespace {

using namespace azimuth;

void read_processors(std::string_view text, std::string_view model_type, const nlohmann::json& document) {
  models::ProcessorFiles files;
  files.processor_config = std::string(text);
  files.preprocessor_config = std::string(text);
  files.video_preprocessor_config = std::string(text);
  auto specs = models::read_processor_specs(files, model_type);
  files.processor_config.reset();
  const auto older = models::read_processor_specs(files, model_type);
  if (older.ok()) specs = older;
  if (specs.ok()) (void)models::apply_processor_kwargs(*specs, document);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)sampling::parse_generation_config(text);
  const auto document = parse_json(text, "config.json");
  if (!document.ok()) return 0;
  const JsonView view(*document, "config.json");
  (void)models::read_model_spec(view);
  const auto model_type = view.string_or("model_type", "qwen3_vl");
  if (model_type.ok()) read_processors(text, *model_type, *document);
  return 0;
}
