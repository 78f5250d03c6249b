#include "azimuth/families.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "commands/common.h"
#include "commands/families.h"

namespace azimuth::tools {
namespace {

nlohmann::ordered_json to_json(const FamilyDescription& family) {
  return {{"model_type", family.model_type},
          {"checkpoint", family.checkpoint},
          {"encoder", family.encoder},
          {"projector", family.projector},
          {"decoder", family.decoder},
          {"positions", family.positions},
          {"masks", family.masks},
          {"preprocessing", family.preprocessing},
          {"video", family.video}};
}

void print_text(const FamilyDescription& family) {
  const nlohmann::ordered_json fields = to_json(family);
  for (const auto& [key, value] : fields.items()) {
    std::printf("%-14s %s\n", key.c_str(), value.get<std::string>().c_str());
  }
  std::puts("");
}

}  // namespace

int print_families(bool json) {
  const Result<std::vector<FamilyDescription>> families = describe_families();
  if (!families.ok()) return report(families.status());
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const FamilyDescription& family : *families) {
    if (json) {
      list.push_back(to_json(family));
    } else {
      print_text(family);
    }
  }
  if (json) std::puts(list.dump().c_str());
  return 0;
}

}  // namespace azimuth::tools
