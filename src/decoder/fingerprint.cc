#include "decoder/fingerprint.h"

#include <span>

namespace azimuth::decoder {
namespace {

void add(const kernels::PackedMatrix& matrix, ContentHasher& hasher) {
  const int64_t rows = matrix.empty() ? 0 : matrix.outputs();
  hasher.number(rows);
  if (rows == 0) return;
  hasher.number(matrix.inputs());
  std::vector<float> row(static_cast<size_t>(matrix.inputs()));
  for (const int64_t index : {int64_t{0}, rows / 3, rows / 2, rows - 1}) {
    matrix.unpack_row(index, row.data());
    hasher.values(std::span<const float>(row));
  }
}

void add(const kernels::Linear& linear, ContentHasher& hasher) {
  add(linear.weight, hasher);
}

void add(const Tensor& tensor, ContentHasher& hasher) {
  hasher.values(std::span<const float>(tensor.data(), static_cast<size_t>(tensor.elements())));
}

void add(const ExpertWeights& expert, ContentHasher& hasher) {
  for (const kernels::Linear* each : {&expert.gate, &expert.up, &expert.down}) add(*each, hasher);
}

void add(const LayerWeights& layer, ContentHasher& hasher) {
  add(layer.attention_norm, hasher);
  add(layer.mlp_norm, hasher);
  for (const kernels::Linear* each :
       {&layer.query, &layer.key, &layer.value, &layer.output, &layer.gate, &layer.up, &layer.down}) {
    add(*each, hasher);
  }
  if (layer.linear != nullptr) {
    for (const kernels::Linear* each : {&layer.linear->mixed, &layer.linear->gate, &layer.linear->write,
                                        &layer.linear->decay, &layer.linear->output}) {
      add(*each, hasher);
    }
  }
  add(layer.experts.router, hasher);
  for (const ExpertWeights& expert : layer.experts.experts) add(expert, hasher);
  add(layer.experts.shared, hasher);
}

}  // namespace

ContentHash fingerprint(const TextSpec& spec, const DecoderWeights& weights) {
  ContentHasher hasher("decoder weights");
  hasher.number(static_cast<int64_t>(spec.layers.size()));
  hasher.number(spec.hidden);
  hasher.number(spec.vocab);
  add(weights.embedding, hasher);
  for (const LayerWeights& layer : weights.layers) add(layer, hasher);
  return hasher.finish();
}

}  // namespace azimuth::decoder
