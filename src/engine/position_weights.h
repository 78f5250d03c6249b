// The tensors of position encodings that have parameters (docs/positions.md, section 1).
#pragma once

#include <map>
#include <memory>
#include <string>

#include "azimuth/status.h"
#include "formats/checkpoint.h"
#include "tensor/tensor.h"

namespace azimuth::engine {

// Tensors under the names position_encoding.*, which a checkpoint may hold beside its own. An encoding also runs on a
// checkpoint without them: untrained, on numbers that depend on the tensor's name alone.
class PositionWeights {
 public:
  static constexpr const char* kPrefix = "position_encoding.";
  static constexpr double kInitialDeviation = 0.02;  // of the normal distribution that stands for training

  // All tensors with the prefix, as f32. Their shapes are checked when a policy asks for them.
  static Result<PositionWeights> read(const formats::Checkpoint& checkpoint);

  // A tensor that the files hold under another name, unless they hold one of `name`.
  void add(const std::string& name, Tensor tensor) {
    tensors_.emplace(name, std::make_shared<const Tensor>(std::move(tensor)));
  }

  // nullptr where the files hold none. `name`: without the prefix.
  const Tensor* find(const std::string& name) const;
  // The files' tensor, whose shape has to be `shape`, or an untrained one.
  Result<std::shared_ptr<const Tensor>> get(const std::string& name, const Shape& shape) const;

 private:
  std::map<std::string, std::shared_ptr<const Tensor>> tensors_;  // by name without the prefix
};

// Normal numbers of standard deviation PositionWeights::kInitialDeviation, each a function of the tensor's name and the
// element's index.
Tensor untrained(const std::string& name, const Shape& shape);

}  // namespace azimuth::engine
