// A config is data from a stranger. Whatever one of its numbers is replaced by, reading it ends in a spec or in an
// error that names the key, so that no later stage meets a size that it cannot hold.
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/mmap.h"
#include "models/families.h"

namespace azimuth {
namespace {

using nlohmann::json;

// Keys whose value is the extent of a tensor or of a loop.
const std::set<std::string> kSizes = {
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "vocab_size",
    "depth",
    "num_heads",
    "out_hidden_size",
    "patch_size",
    "spatial_merge_size",
    "temporal_patch_size",
    "in_channels",
    "num_position_embeddings",
};

std::vector<json> impossible_sizes() {
  return {0,
          -1,
          1'000'000'000'000,
          std::numeric_limits<int64_t>::min(),
          std::numeric_limits<uint64_t>::max(),
          1.5,
          std::numeric_limits<double>::quiet_NaN(),
          "x",
          json::object(),
          json::array(),
          true};
}

std::vector<json> strange_values() {
  std::vector<json> values = impossible_sizes();
  values.push_back(nullptr);
  values.push_back(std::numeric_limits<double>::infinity());
  values.push_back(json::array({1, "x", nullptr}));
  values.push_back(std::string(100'000, 'x'));
  values.push_back(json::array({json::object()}));
  return values;
}

std::vector<std::string> golden_configs() {
  std::vector<std::string> paths;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(std::string(AZIMUTH_SOURCE_DIR) + "/tests/golden/trace")) {
    if (entry.path().filename() == "config.json") paths.push_back(entry.path());
  }
  return paths;
}

json read(const std::string& path) {
  const auto text = read_file(path, 1 << 20);
  EXPECT_TRUE(text.ok()) << text.status().message();
  auto parsed = parse_json(text.ok() ? *text : "{}", path);
  EXPECT_TRUE(parsed.ok()) << parsed.status().message();
  return parsed.ok() ? *parsed : json::object();
}

std::string last_key(const json::json_pointer& pointer) {
  return pointer.back();
}

// Whether a size is one that a reader asks for: towers and Q-Formers have no vocabulary of their own, and beside a
// text_config the keys of the whole repeat what the parts say.
bool is_read(const json& config, const json::json_pointer& pointer) {
  const std::string part = pointer.parent_pointer().to_string();
  if (part.empty()) return !config.contains("text_config");
  return last_key(pointer) != "vocab_size" || part == "/text_config";
}

// Calls check(config, pointer) for every member of every golden config.
template <typename Check>
void for_each_member(Check check) {
  const std::vector<std::string> paths = golden_configs();
  ASSERT_GE(paths.size(), 3u);
  for (const std::string& path : paths) {
    const json config = read(path);
    const json members = config.flatten();
    for (const auto& [pointer, unused] : members.items()) check(config, json::json_pointer(pointer));
  }
}

Status read_with(json config, const json::json_pointer& pointer, const json& value) {
  config[pointer] = value;
  return models::read_model_spec(JsonView(config, "config.json")).status();
}

TEST(HostileConfig, ImpossibleSizesAreNamed) {
  for_each_member([](const json& config, const json::json_pointer& pointer) {
    if (!kSizes.count(last_key(pointer)) || !is_read(config, pointer)) return;
    for (const json& size : impossible_sizes()) {
      const Status status = read_with(config, pointer, size);
      EXPECT_FALSE(status.ok()) << pointer << " = " << size;
      EXPECT_NE(status.message().find(last_key(pointer)), std::string::npos) << pointer << ": " << status.message();
    }
  });
}

TEST(HostileConfig, BillionsOfLayersAreRefused) {
  for_each_member([](const json& config, const json::json_pointer& pointer) {
    if (last_key(pointer) != "num_hidden_layers" && last_key(pointer) != "depth") return;
    for (const int64_t layers : {100'000, 1'000'000'000})
      EXPECT_FALSE(read_with(config, pointer, layers).ok()) << pointer;
  });
}

TEST(HostileConfig, StrangeValuesAreSurvived) {
  int errors = 0;
  for_each_member([&](const json& config, const json::json_pointer& pointer) {
    for (const json& value : strange_values()) {
      const Status status = read_with(config, pointer, value);
      if (status.ok()) continue;
      ++errors;
      EXPECT_LT(status.message().size(), 600u) << pointer;
      EXPECT_EQ(status.message().find('\n'), std::string::npos) << pointer;
    }
  });
  EXPECT_GT(errors, 100);
}

TEST(HostileConfig, DeepOrDamagedDocumentsAreErrors) {
  const std::string deep = R"({"model_type": "llama", "rope_scaling": )" + std::string(1'000'000, '[') + "}";
  EXPECT_EQ(parse_json(deep, "config.json").status().code(), StatusCode::resource_exhausted);
  for (const char* text :
       {"{}", "null", "[]", "3", R"({"model_type": 1})", R"({"model_type": ""})", R"({"text_config": 3})"}) {
    const auto parsed = parse_json(text, "config.json");
    ASSERT_TRUE(parsed.ok());
    EXPECT_FALSE(models::read_model_spec(JsonView(*parsed, "config.json")).ok()) << text;
  }
}

}  // namespace
}  // namespace azimuth
