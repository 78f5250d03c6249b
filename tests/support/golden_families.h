// The golden traces by the family of their checkpoint, for tests that loop over all families.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace azimuth::testing_support {

// Names of the golden cases of each model_type, sorted.
inline std::map<std::string, std::vector<std::string>> golden_families() {
  std::map<std::string, std::vector<std::string>> families;
  const std::filesystem::path root = std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/trace";
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    std::ifstream file(entry.path() / "model" / "config.json");
    const nlohmann::json config = nlohmann::json::parse(file, nullptr, false);
    if (!config.is_object() || !config.contains("model_type")) continue;
    families[config["model_type"].get<std::string>()].push_back(entry.path().filename().string());
  }
  for (auto& [family, cases] : families) std::sort(cases.begin(), cases.end());
  return families;
}

}  // namespace azimuth::testing_support
