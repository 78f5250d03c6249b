#include "formats/checkpoint.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/mmap.h"
#include "formats/hub_cache.h"

namespace azimuth::formats {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kConfig = "config.json";
constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

bool exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// A path that stays inside the directory it is appended to. Links may still lead elsewhere: the hub cache is made of
// them.
bool stays_inside(std::string_view name) {
  const fs::path path(name);
  if (name.empty() || name.find('\0') != std::string_view::npos || path.is_absolute()) return false;
  return std::none_of(path.begin(), path.end(), [](const fs::path& part) { return part == ".."; });
}

// Kinds of weights that exist in the wild and that this engine does not read, in the order in which they are reported.
struct OtherWeights {
  std::string_view ending;
  std::string_view what;
};
constexpr std::array<OtherWeights, 10> kOtherWeights = {{
    {"adapter_model.safetensors", "an adapter without its base model"},
    {"consolidated.safetensors", "weights under Mistral's own names"},
    {".safetensors", "safetensors under another name"},
    {".bin", "a PyTorch pickle"},
    {".pt", "a PyTorch pickle"},
    {".pth", "a PyTorch pickle"},
    {".gguf", "a GGUF file"},
    {".h5", "TensorFlow weights"},
    {".msgpack", "Flax weights"},
    {".onnx", "an ONNX graph"},
}};

std::vector<std::string> file_names(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    names.push_back(at->path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Status no_weights(const std::string& directory, const std::string& download) {
  const std::string expected = directory + " expected " + kSingle + " or " + kIndex;
  const std::vector<std::string> names = file_names(directory);
  for (const OtherWeights& other : kOtherWeights) {
    for (const std::string& name : names) {
      if (!name.ends_with(other.ending)) continue;
      return unsupported(expected + ", found only " + name + " (" + std::string(other.what) +
                         "); convert it with transformers' save_pretrained");
    }
  }
  return not_found(expected + ", found no weights; download them: " + download);
}

// Shard files and the tensors that the index places in each.
using ShardMap = std::map<std::string, std::vector<std::string>>;

Result<ShardMap> read_index(const std::string& path, const CheckpointOptions& options) {
  AZ_ASSIGN_OR_RETURN(const std::string text, read_file(path, options.index_bytes));
  AZ_ASSIGN_OR_RETURN(const json root, parse_json(text, path, {.bytes = options.index_bytes, .depth = 16}));
  AZ_ASSIGN_OR_RETURN(const JsonView weight_map, JsonView(root, path).object("weight_map"));
  ShardMap shards;
  for (const auto& [tensor, file] : weight_map.value().items()) {
    if (!file.is_string()) return weight_map.expected("file names as values");
    const std::string& shard = file.get_ref<const std::string&>();
    if (!stays_inside(shard)) {
      return invalid_argument(path + ": expected shards beside the index, found " + quote_json(shard) + " for tensor " +
                              quote_json(tensor));
    }
    shards[shard].push_back(tensor);
  }
  if (shards.empty()) return data_loss(path + ": weight_map expected at least one tensor, found none");
  if (shards.size() > options.shards) {
    return resource_exhausted(path + ": expected at most " + std::to_string(options.shards) + " shards, found " +
                              std::to_string(shards.size()));
  }
  return shards;
}

Result<SafeTensors> open_shard(const std::string& directory, const std::string& shard, size_t shards,
                               const std::string& download, const CheckpointOptions& options) {
  const std::string path = fs::path(directory) / shard;
  if (!exists(path)) {
    return not_found(directory + " expected the " + std::to_string(shards) + " shards that " + kIndex +
                     " names, found no " + shard + "; finish the download: " + download);
  }
  return SafeTensors::open(path, options.safetensors);
}

}  // namespace

struct Checkpoint::Impl {
  std::string directory;
  std::string download;  // the command that fetches what is missing
  json config;
  std::vector<SafeTensors> shards;
  struct Place {
    size_t shard;
    const TensorEntry* entry;
  };
  std::map<std::string, Place, std::less<>> tensors;

  Status open_config(const CheckpointOptions& options) {
    const std::string path = fs::path(directory) / kConfig;
    if (!exists(path)) return not_found(directory + " expected a config.json, found none; is it a model directory?");
    AZ_ASSIGN_OR_RETURN(const std::string text, read_file(path, options.config_bytes));
    AZ_ASSIGN_OR_RETURN(config, parse_json(text, path, {.bytes = options.config_bytes}));
    return JsonView(config, path).check_object();
  }

  Status open_weights(const CheckpointOptions& options) {
    const std::string single = fs::path(directory) / kSingle;
    const std::string index = fs::path(directory) / kIndex;
    if (exists(single)) {
      AZ_ASSIGN_OR_RETURN(SafeTensors file, SafeTensors::open(single, options.safetensors));
      shards.push_back(std::move(file));
    } else if (exists(index)) {
      AZ_RETURN_IF_ERROR(open_shards(index, options));
    } else {
      return no_weights(directory, download);
    }
    return index_tensors();
  }

  Status open_shards(const std::string& index, const CheckpointOptions& options) {
    AZ_ASSIGN_OR_RETURN(const ShardMap map, read_index(index, options));
    for (const auto& [shard, tensors_inside] : map) {
      AZ_ASSIGN_OR_RETURN(SafeTensors opened, open_shard(directory, shard, map.size(), download, options));
      for (const std::string& tensor : tensors_inside) {
        if (opened.find(tensor)) continue;
        return data_loss(index + ": weight_map expected tensor " + quote_json(tensor) + " in " + shard +
                         ", found no such tensor there; index and shards belong to different downloads");
      }
      shards.push_back(std::move(opened));
    }
    return ok_status();
  }

  // Tensors that a shard holds beyond the index count too, as they do for transformers.
  Status index_tensors() {
    for (size_t shard = 0; shard < shards.size(); ++shard) {
      for (const TensorEntry& entry : shards[shard].entries()) {
        const auto [at, is_new] = tensors.emplace(entry.name, Place{shard, &entry});
        if (is_new) continue;
        return data_loss(directory + " expected each tensor in one shard, found " + quote_json(entry.name) + " in " +
                         shards[at->second.shard].path() + " and " + shards[shard].path());
      }
    }
    return ok_status();
  }
};

Checkpoint::Checkpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

Result<Checkpoint> Checkpoint::open(const std::string& model, const CheckpointOptions& options) {
  auto impl = std::make_unique<Impl>();
  AZ_ASSIGN_OR_RETURN(impl->directory, find_model_directory(model, options.revision));
  impl->download = "hf download " + (impl->directory == model ? "ORG/NAME" : model);
  AZ_RETURN_IF_ERROR(impl->open_config(options));
  if (options.weights) AZ_RETURN_IF_ERROR(impl->open_weights(options));
  return Checkpoint(std::move(impl));
}

const std::string& Checkpoint::directory() const {
  return impl_->directory;
}

const json& Checkpoint::config() const {
  return impl_->config;
}

JsonView Checkpoint::config_view() const {
  return JsonView(impl_->config, kConfig);
}

Result<std::optional<std::string>> Checkpoint::optional_file(std::string_view name, size_t max_bytes) const {
  if (!stays_inside(name)) {
    return invalid_argument("expected a file name inside the model directory, found " + quote_json(name));
  }
  const std::string path = fs::path(impl_->directory) / name;
  if (!exists(path)) return std::optional<std::string>();
  AZ_ASSIGN_OR_RETURN(std::string text, read_file(path, max_bytes));
  return std::optional<std::string>(std::move(text));
}

bool Checkpoint::has(std::string_view name) const {
  return impl_->tensors.find(name) != impl_->tensors.end();
}

const TensorEntry* Checkpoint::find(std::string_view name) const {
  const auto at = impl_->tensors.find(name);
  return at == impl_->tensors.end() ? nullptr : at->second.entry;
}

Result<TensorView> Checkpoint::tensor(std::string_view name) const {
  const auto at = impl_->tensors.find(name);
  if (at != impl_->tensors.end()) return impl_->shards[at->second.shard].tensor(name);
  return not_found(impl_->directory + " expected a tensor named " + quote_json(name) + ", found none among " +
                   std::to_string(impl_->tensors.size()));
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  for (const auto& [name, unused] : impl_->tensors) names.push_back(name);
  return names;
}

uint64_t Checkpoint::weight_bytes() const {
  uint64_t bytes = 0;
  for (const SafeTensors& shard : impl_->shards) bytes += shard.data_bytes();
  return bytes;
}

void Checkpoint::prefetch(std::string_view name) const {
  const auto at = impl_->tensors.find(name);
  if (at != impl_->tensors.end()) impl_->shards[at->second.shard].prefetch(*at->second.entry);
}

void Checkpoint::release(std::span<const std::byte> bytes) const {
  for (const SafeTensors& shard : impl_->shards) shard.release(bytes);
}

void Checkpoint::read_lost_pages_as_zeros() {
  for (SafeTensors& shard : impl_->shards) shard.read_lost_pages_as_zeros();
}

Status Checkpoint::intact() const {
  for (const SafeTensors& shard : impl_->shards) {
    if (!shard.lost()) continue;
    return data_loss(shard.path() +
                     " expected to stay as it was while the model runs, found pages missing; it was cut short or its "
                     "disk failed, load it again");
  }
  return ok_status();
}

size_t Checkpoint::shards() const {
  return impl_->shards.size();
}

const std::map<std::string, std::string>& Checkpoint::metadata(size_t shard) const {
  return impl_->shards[shard].metadata();
}

size_t Checkpoint::shard_of(std::string_view name) const {
  return impl_->tensors.find(name)->second.shard;
}

std::vector<std::string> Checkpoint::weight_files() const {
  std::vector<std::string> paths;
  for (const SafeTensors& shard : impl_->shards) paths.push_back(shard.path());
  return paths;
}

}  // namespace azimuth::formats
