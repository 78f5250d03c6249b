// A published checkpoint: the directory of a Hugging Face model with its config, side files and named tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "azimuth/status.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "tensor/tensor.h"

namespace azimuth::formats {

struct CheckpointOptions {
  std::string revision = "main";  // of a repository in the hub cache; directories have none
  bool weights = true;            // false opens the config and side files only, and needs no weights on disk
  size_t config_bytes = size_t{16} << 20;
  size_t index_bytes = size_t{64} << 20;
  size_t shards = 4096;
  SafeTensorsLimits safetensors = {};
};

// Movable; views and JSON stay valid as long as the object. All const calls are safe from any thread.
class Checkpoint {
 public:
  // `model` is a directory or "org/name", see find_model_directory. Weights are model.safetensors, or the shards that
  // model.safetensors.index.json names. Errors: not_found (with the `hf download` that would help), unsupported for
  // other kinds of weights, data_loss and invalid_argument for damaged files, resource_exhausted beyond a limit.
  static Result<Checkpoint> open(const std::string& model, const CheckpointOptions& options = {});
  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;
  ~Checkpoint();

  const std::string& directory() const;
  // config.json, which is an object.
  const nlohmann::json& config() const;
  JsonView config_view() const;

  // The text of a file of the directory, such as generation_config.json; nothing where there is none.
  Result<std::optional<std::string>> optional_file(std::string_view name, size_t max_bytes = size_t{128} << 20) const;

  // Tensors of all shards under their names in the files.
  bool has(std::string_view name) const;
  const TensorEntry* find(std::string_view name) const;    // null where there is none
  Result<TensorView> tensor(std::string_view name) const;  // errors as SafeTensors::tensor
  std::vector<std::string> names() const;                  // sorted
  uint64_t weight_bytes() const;
  // Hints about views of tensor(): read soon, and read for the last time; see SafeTensors.
  void prefetch(std::string_view name) const;
  void release(std::span<const std::byte> bytes) const;
  // For files that are computed on where they lie: pages that are lost read as zeros, and intact() is data_loss then.
  void read_lost_pages_as_zeros();
  Status intact() const;

  // The metadata of each weight file, and the file that holds a tensor which has().
  size_t shards() const;
  const std::map<std::string, std::string>& metadata(size_t shard) const;
  size_t shard_of(std::string_view name) const;
  std::vector<std::string> weight_files() const;  // paths

 private:
  struct Impl;
  explicit Checkpoint(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace azimuth::formats
