// From slots of a WeightMap to tensors of a checkpoint: finds the name that the files use, checks the shape, applies
// the declared transform.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "azimuth/status.h"
#include "formats/checkpoint.h"
#include "kernels/linear.h"
#include "spec/weight_map.h"

namespace azimuth::engine {

class WeightReader {
 public:
  // `progress` gets the share of the map's tensors that were read.
  WeightReader(const formats::Checkpoint& checkpoint, const WeightMap& map, kernels::WeightType type, ThreadPool& pool,
               std::function<void(double)> progress)
      : checkpoint_(checkpoint), map_(map), type_(type), pool_(pool), progress_(std::move(progress)) {}

  bool in_map(const std::string& slot) const { return map_.find(slot) != nullptr; }
  // Whether the files hold a tensor for a slot of the map.
  bool in_files(const std::string& slot) const;
  // Whether two slots hold the same type, shape and bytes.
  Result<bool> equal(const std::string& first, const std::string& second);
  // A tensor that stays f32: norms, biases, tables.
  Status read(const std::string& slot, Tensor& out);
  // A weight matrix, packed for the machine in the reader's weight type.
  Status read(const std::string& slot, kernels::PackedMatrix& out);
  // A stack of matrices [n, outputs, inputs], each cut into `runs` runs of as many rows: n * runs matrices.
  Status read(const std::string& slot, int64_t runs, std::vector<kernels::PackedMatrix>& out);
  // slot.weight and, where the map has it, slot.bias.
  Status read(const std::string& slot, kernels::Linear& out);

 private:
  struct Piece {
    TensorView mapped;  // as in the file
    Transform transform = Transform::none;
  };
  // The tensors in the files that make up a slot.
  Result<std::vector<Piece>> find(const std::string& slot);
  Result<Piece> find(const WeightRule& rule);
  void count_read();
  // The slot's elements out of the map, transformed and stacked, as one contiguous tensor; valid until the next copy.
  Result<TensorView> copy(const std::string& slot);
  // Appends `piece` to the scratch, transformed. Reading the map may fault when the file is cut short meanwhile.
  Status append(const Piece& piece, DType type, const std::string& slot);

  const formats::Checkpoint& checkpoint_;
  const WeightMap& map_;
  kernels::WeightType type_;
  ThreadPool& pool_;
  std::function<void(double)> progress_;
  size_t tensors_read_ = 0;
  std::vector<std::byte> scratch_;
};

}  // namespace azimuth::engine
