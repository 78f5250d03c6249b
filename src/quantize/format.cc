#include "quantize/format.h"

#include <charconv>
#include <vector>

#include "base/json.h"

namespace azimuth::quantize {
namespace {

using kernels::WeightType;

std::string value_of(const std::map<std::string, std::string>& metadata, std::string_view key) {
  const auto at = metadata.find(std::string(key));
  return at == metadata.end() ? "" : at->second;
}

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t space = text.find(' ');
    parts.push_back(text.substr(0, space));
    if (space == std::string_view::npos) return parts;
    text.remove_prefix(space + 1);
  }
}

Status check_version(const std::string& file, std::string_view key, const std::string& found, int expected) {
  if (found == std::to_string(expected)) return ok_status();
  return unsupported(file + " expected " + std::string(key) + " " + std::to_string(expected) + ", found " +
                     quote_json(found) + "; quantise the original again, or use the azimuth that wrote it");
}

Status read_shard(const formats::Checkpoint& checkpoint, size_t shard, const std::string& file, Description& out) {
  const auto& metadata = checkpoint.metadata(shard);
  AZ_RETURN_IF_ERROR(check_version(file, kFormatKey, value_of(metadata, kFormatKey), kFormatVersion));
  AZ_RETURN_IF_ERROR(check_version(file, kLayoutKey, value_of(metadata, kLayoutKey), kLayoutVersion));
  const std::string type = value_of(metadata, kTypeKey);
  const std::optional<WeightType> parsed = weight_type_named(type);
  if (!parsed || !kernels::is_quantised(*parsed) || (shard > 0 && *parsed != out.type)) {
    return data_loss(file + " expected " + std::string(kTypeKey) + " q8 or q4, the same in all files, found " +
                     quote_json(type) + "; quantise the original again");
  }
  out.type = *parsed;
  for (const auto& [key, value] : metadata) {
    if (!key.starts_with(kMatrixPrefix)) continue;
    const std::string slot = key.substr(kMatrixPrefix.size());
    const std::optional<StoredMatrix> matrix = StoredMatrix::parse(value);
    if (!matrix || !checkpoint.has(slot) || checkpoint.shard_of(slot) != shard) {
      return data_loss(file + " expected " + quote_json(key) +
                       " to name a tensor of the file with type, count, outputs and inputs, found " +
                       quote_json(value) + "; quantise the original again");
    }
    out.matrices.emplace(slot, *matrix);
  }
  return ok_status();
}

}  // namespace

std::optional<WeightType> weight_type_named(std::string_view name) {
  for (const WeightType type : {WeightType::f32, WeightType::bf16, WeightType::q8, WeightType::q4}) {
    if (kernels::to_string(type) == name) return type;
  }
  return std::nullopt;
}

std::string StoredMatrix::to_string() const {
  return std::string(kernels::to_string(type)) + " " + std::to_string(count) + " " + std::to_string(outputs) + " " +
         std::to_string(inputs);
}

std::optional<StoredMatrix> StoredMatrix::parse(std::string_view text) {
  const std::vector<std::string_view> parts = words(text);
  if (parts.size() != 4) return std::nullopt;
  const std::optional<WeightType> type = weight_type_named(parts[0]);
  const auto count = whole_number(parts[1]), outputs = whole_number(parts[2]), inputs = whole_number(parts[3]);
  if (!type || !count || !outputs || !inputs) return std::nullopt;
  return StoredMatrix{*type, *count, *outputs, *inputs};
}

Result<std::optional<Description>> read_description(const formats::Checkpoint& checkpoint) {
  const std::vector<std::string> files = checkpoint.weight_files();
  bool any = false;
  for (size_t shard = 0; shard < checkpoint.shards(); ++shard) {
    any = any || checkpoint.metadata(shard).contains(std::string(kFormatKey));
  }
  if (!any) return std::optional<Description>();
  Description description;
  for (size_t shard = 0; shard < checkpoint.shards(); ++shard) {
    AZ_RETURN_IF_ERROR(read_shard(checkpoint, shard, files[shard], description));
  }
  return std::optional<Description>(std::move(description));
}

}  // namespace azimuth::quantize
