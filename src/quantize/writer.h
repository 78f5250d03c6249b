// Writes a quantised directory, one tensor after the other: nothing but the tensor at hand is in memory. It appears
// under its name when it is complete; until then everything lies in a directory beside it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "azimuth/status.h"
#include "quantize/format.h"
#include "tensor/tensor.h"

namespace azimuth::quantize {

struct WriterOptions {
  kernels::WeightType type = kernels::WeightType::q8;
  uint64_t shard_bytes = 5'000'000'000;
  uint64_t header_bytes = 1 << 20;  // at most, of one shard
};

class DirectoryWriter {
 public:
  // Errors: invalid_argument where `directory` exists and is not empty, or cannot be made.
  static Result<DirectoryWriter> create(const std::string& directory, const WriterOptions& options);
  DirectoryWriter(DirectoryWriter&&) noexcept;
  DirectoryWriter& operator=(DirectoryWriter&&) = delete;
  ~DirectoryWriter();  // removes what is not finished

  // Matrices of one slot are added one after the other. Errors: resource_exhausted where the disk is full.
  Status begin_matrices(const std::string& slot, const StoredMatrix& matrix);
  Status add_part(const kernels::PackedMatrix& matrix);
  Status add_tensor(const std::string& slot, const TensorView& tensor);  // contiguous
  Status add_file(const std::string& name, const std::string& text);
  // Gives the directory its name. Nothing may be added behind it.
  Status finish();
  uint64_t bytes_written() const { return total_bytes_; }

 private:
  struct Entry {
    std::string name;
    std::string dtype;
    std::vector<int64_t> shape;
    uint64_t begin;
    uint64_t end;
  };
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  struct Shard {
    std::string path;
    std::vector<Entry> entries;
    std::map<std::string, std::string> metadata;
    uint64_t bytes = 0;
  };

  DirectoryWriter(std::string directory, const WriterOptions& options)
      : directory_(std::move(directory)), partial_(directory_ + ".partial"), options_(options) {}
  Status start_tensor(const std::string& name, std::string dtype, std::vector<int64_t> shape, uint64_t bytes);
  Status open_shard();
  Status close_shard();
  Status write(std::span<const std::byte> bytes);
  Status pad();
  Status failed(const std::string& path) const;
  Status name_shards();
  Result<std::string> header_of(const Shard& shard) const;

  std::string directory_;
  std::string partial_;  // where everything is until it is complete
  WriterOptions options_;
  bool made_ = false;
  std::unique_ptr<std::FILE, Close> file_;
  std::vector<Shard> shards_;
  StoredMatrix matrix_;
  std::vector<float> row_;        // of a matrix that is not quantised
  std::vector<uint16_t> narrow_;  // the same in bf16
  uint64_t total_bytes_ = 0;
};

}  // namespace azimuth::quantize
