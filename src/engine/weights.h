// From slots of a WeightMap to what the model holds. Where the slots come from is one of several readers: a published
// checkpoint, a quantised directory, or nothing at all where only sizes are wanted.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "azimuth/status.h"
#include "formats/checkpoint.h"
#include "kernels/linear.h"
#include "quantize/format.h"
#include "spec/weight_map.h"

namespace azimuth::engine {

class WeightReader {
 public:
  WeightReader(const WeightMap& map, std::function<void(double)> progress)
      : map_(map), progress_(std::move(progress)) {}
  virtual ~WeightReader() = default;

  bool in_map(const std::string& slot) const { return map_.find(slot) != nullptr; }
  // Whether the files hold a tensor for a slot of the map.
  virtual bool in_files(const std::string& slot) const = 0;
  // Whether two slots hold the same type, shape and bytes.
  virtual Result<bool> equal(const std::string& first, const std::string& second) = 0;

  // A tensor that stays f32: norms, biases, tables.
  Status read(const std::string& slot, Tensor& out);
  // A weight matrix in the type that its slot has in a model of the reader's type (quantize/kept_wider.h).
  Status read(const std::string& slot, kernels::PackedMatrix& out);
  // A stack of matrices [n, outputs, inputs], each cut into `runs` runs of as many rows: n * runs matrices.
  Status read(const std::string& slot, int64_t runs, std::vector<kernels::PackedMatrix>& out);
  // slot.weight and, where the map has it, slot.bias.
  Status read(const std::string& slot, kernels::Linear& out);

  // Read behind each tensor.
  void stop_on(const std::atomic<bool>* cancel) { cancel_ = cancel; }

  // Bytes of all that was read, as it is held: what a model takes in memory.
  int64_t bytes() const { return bytes_; }

 protected:
  virtual Status read_tensor(const std::string& slot, Tensor& out) = 0;
  virtual Status read_matrix(const std::string& slot, kernels::PackedMatrix& out) = 0;
  virtual Status read_matrices(const std::string& slot, int64_t runs, std::vector<kernels::PackedMatrix>& out) = 0;
  void count(int64_t bytes) { bytes_ += bytes; }

  const WeightMap& map_;

 private:
  Status count_read();  // `cancelled` where the caller asked to stop

  std::function<void(double)> progress_;  // gets the share of the map's tensors that were read
  const std::atomic<bool>* cancel_ = nullptr;
  size_t tensors_read_ = 0;
  int64_t bytes_ = 0;
};

// The shape of what a slot holds: transformed, and stacked.
Result<Shape> slot_shape(const WeightMap& map, const std::string& slot);

// Takes over what a CheckpointReader reads; matrices then are not kept.
class WeightSink {
 public:
  virtual ~WeightSink() = default;
  virtual Status tensor(const std::string& slot, const Tensor& tensor) = 0;
  // Matrix `index` of the `count` of a slot, which come in order.
  virtual Status matrix(const std::string& slot, int64_t index, int64_t count, const kernels::PackedMatrix& matrix) = 0;
};

// Reads a published checkpoint: finds the name that the files use, checks the shape, applies the declared transform,
// packs. Pages of the files are let go once they were read.
std::unique_ptr<WeightReader> make_checkpoint_reader(const formats::Checkpoint& checkpoint, const WeightMap& map,
                                                     kernels::WeightType type, ThreadPool& pool,
                                                     std::function<void(double)> progress, WeightSink* sink = nullptr);

// Reads a quantised directory: quantised matrices stay in its map, which they keep alive.
std::unique_ptr<WeightReader> make_quantised_reader(std::shared_ptr<const formats::Checkpoint> checkpoint,
                                                    quantize::Description description, const WeightMap& map,
                                                    ThreadPool& pool, std::function<void(double)> progress);

// Reads nothing: tensors are zeros, matrices empty, and bytes() is what a model of `type` would hold.
std::unique_ptr<WeightReader> make_size_reader(const WeightMap& map, kernels::WeightType type);

}  // namespace azimuth::engine
