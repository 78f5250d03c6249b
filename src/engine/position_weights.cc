#include "engine/position_weights.h"

#include <cmath>
#include <cstring>
#include <numbers>
#include <vector>

#include "base/mmap.h"
#include "base/rng.h"

namespace azimuth::engine {
namespace {

// FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/): a seed that is the same everywhere.
uint64_t seed_of(const std::string& name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

// A word as a number in (0, 1).
double open_unit(uint32_t word) {
  return (static_cast<double>(word) + 0.5) * 0x1p-32;
}

// Box and Muller, "A note on the generation of random normal deviates", 1958.
void write_normal_pair(uint32_t first, uint32_t second, double deviation, float* out) {
  const double radius = deviation * std::sqrt(-2.0 * std::log(open_unit(first)));
  const double angle = 2.0 * std::numbers::pi * open_unit(second);
  out[0] = static_cast<float>(radius * std::cos(angle));
  out[1] = static_cast<float>(radius * std::sin(angle));
}

Result<Tensor> read_tensor(const formats::Checkpoint& checkpoint, const std::string& name) {
  AZ_ASSIGN_OR_RETURN(const TensorView mapped, checkpoint.tensor(name));
  std::vector<std::byte> bytes(mapped.bytes());
  AZ_RETURN_IF_ERROR(guarded_read(name, [&] { std::memcpy(bytes.data(), mapped.data, mapped.bytes()); }));
  Result<Tensor> tensor = to_f32(TensorView::contiguous(bytes.data(), mapped.dtype, mapped.shape));
  if (!tensor.ok()) return tensor.status().with_context("tensor " + name);
  return tensor;
}

}  // namespace

Tensor untrained(const std::string& name, const Shape& shape) {
  const uint64_t seed = seed_of(name);
  Tensor tensor(shape);
  for (int64_t i = 0; i < tensor.elements(); i += 4) {
    const auto block = static_cast<uint64_t>(i / 4);
    const auto words = philox4x32({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), 0, 0},
                                  {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
    float normal[4];
    write_normal_pair(words[0], words[1], PositionWeights::kInitialDeviation, normal);
    write_normal_pair(words[2], words[3], PositionWeights::kInitialDeviation, normal + 2);
    for (int64_t k = 0; k < 4 && i + k < tensor.elements(); ++k) tensor.data()[i + k] = normal[k];
  }
  return tensor;
}

Result<PositionWeights> PositionWeights::read(const formats::Checkpoint& checkpoint) {
  PositionWeights weights;
  for (const std::string& name : checkpoint.names()) {
    if (!name.starts_with(kPrefix)) continue;
    AZ_ASSIGN_OR_RETURN(Tensor tensor, read_tensor(checkpoint, name));
    weights.tensors_.emplace(name.substr(std::strlen(kPrefix)), std::make_shared<Tensor>(std::move(tensor)));
  }
  return weights;
}

const Tensor* PositionWeights::find(const std::string& name) const {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? nullptr : it->second.get();
}

Result<std::shared_ptr<const Tensor>> PositionWeights::get(const std::string& name, const Shape& shape) const {
  const auto it = tensors_.find(name);
  if (it == tensors_.end()) return std::shared_ptr<const Tensor>(std::make_shared<Tensor>(untrained(name, shape)));
  if (it->second->shape() == shape) return it->second;
  return invalid_argument("tensor " + (kPrefix + name) + " expected shape " + shape.to_string() + ", found " +
                          it->second->shape().to_string() +
                          "; the policy's parameters have to be those that the checkpoint was trained with");
}

}  // namespace azimuth::engine
