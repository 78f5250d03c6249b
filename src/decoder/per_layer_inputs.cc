// Source: transformers, modeling_gemma4.py, Gemma4TextModel.get_per_layer_inputs and project_per_layer_inputs.
#include "decoder/per_layer_inputs.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace azimuth::decoder {
namespace {

// Adds the rows of the table for the tokens of one chunk, scaled, to `out` [tokens, layers * width].
Status add_token_rows(const TextSpec& spec, const kernels::PackedMatrix& table, const SequenceChunk& chunk, float scale,
                      Tensor& row, float* out) {
  const std::vector<int32_t>& ids = chunk.input->ids;
  if (static_cast<int64_t>(ids.size()) < chunk.end) {
    return invalid_argument(
        "a model with per-layer embeddings expected the id of every token, found embeddings only; "
        "give the ids as well");
  }
  const int64_t width = row.elements();
  for (int64_t token = chunk.begin; token < chunk.end; ++token, out += width) {
    const int32_t id = spec.table_row(ids[static_cast<size_t>(token)]);
    if (id < 0 || id >= spec.per_layer_vocab) {
      return out_of_range("token id expected a value in [0, " + std::to_string(spec.per_layer_vocab) +
                          "), the rows of the per-layer embeddings, found " + std::to_string(id));
    }
    table.unpack_row(id, row.data());
    for (int64_t i = 0; i < width; ++i) out[i] += row.data()[i] * scale;
  }
  return ok_status();
}

}  // namespace

Status per_layer_inputs(const TextSpec& spec, const DecoderWeights& weights, std::span<const SequenceChunk> chunks,
                        const Tensor& hidden, PerLayerWorkspace& work, ThreadPool& pool) {
  const int64_t rows = hidden.shape()[0];
  const auto layers = static_cast<int64_t>(spec.layers.size());
  const int64_t width = spec.layers[0].per_layer_width;
  Tensor& inputs = work.inputs;
  inputs.resize({rows, layers * width});
  work.table_row.resize({1, layers * width});
  weights.per_layer_projection.apply(hidden.data(), rows, inputs.data(), pool);
  // The projection is scaled by 1 / sqrt(hidden) in front of its norm.
  const float scale = 1.0f / std::sqrt(static_cast<float>(spec.hidden));
  for (int64_t i = 0; i < inputs.elements(); ++i) inputs.data()[i] *= scale;
  kernels::rms_norm(inputs.data(), rows * layers, width, width, weights.per_layer_norm.data(), spec.final_norm_eps,
                    inputs.data(), width, pool);
  float* out = inputs.data();
  for (const SequenceChunk& chunk : chunks) {
    AZ_RETURN_IF_ERROR(add_token_rows(spec, weights.per_layer_embedding, chunk, std::sqrt(static_cast<float>(width)),
                                      work.table_row, out));
    out += chunk.tokens() * layers * width;
  }
  const float share = std::sqrt(0.5f);
  for (int64_t i = 0; i < inputs.elements(); ++i) inputs.data()[i] *= share;
  return ok_status();
}

void add_per_layer_input(const LayerSpec& spec, const LayerWeights& weights, int layer, PerLayerWorkspace& work,
                         Tensor& update, Tensor& hidden, ThreadPool& pool) {
  const int64_t rows = hidden.shape()[0];
  const int64_t width = spec.per_layer_width;
  const Tensor& inputs = work.inputs;
  Tensor& gate = work.gate;
  gate.resize({rows, width});
  weights.per_layer_gate.apply(hidden.data(), rows, gate.data(), pool);
  kernels::activate(spec.activation, gate.data(), gate.elements(), pool);
  for (int64_t row = 0; row < rows; ++row) {
    const float* input = inputs.row(row) + layer * width;
    for (int64_t i = 0; i < width; ++i) gate.row(row)[i] *= input[i];
  }
  weights.per_layer_output.apply(gate.data(), rows, update.data(), pool);
  const int64_t channels = update.row_elements();
  kernels::rms_norm(update.data(), rows, channels, channels, weights.per_layer_post_norm.data(), spec.norm_eps,
                    update.data(), channels, pool);
  kernels::add(hidden.data(), update.data(), hidden.elements(), pool);
}

}  // namespace azimuth::decoder
