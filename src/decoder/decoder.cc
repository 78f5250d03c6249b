#include "decoder/decoder.h"

#include <algorithm>
#include <cmath>

#include "decoder/attention_layer.h"
#include "decoder/cross_attention.h"
#include "decoder/experts_beside.h"
#include "decoder/linear_attention.h"
#include "decoder/mlp.h"
#include "decoder/pass_hooks.h"
#include "decoder/per_layer_inputs.h"
#include "decoder/rotations.h"
#include "decoder/score_term.h"

namespace azimuth::decoder {
namespace {

int set_of(const PositionTable& table, int layer) {
  return table.set_of_layer.empty() ? 0 : table.set_of_layer[static_cast<size_t>(layer)];
}

// Every layer must find its id set.
Status check_sets(const PositionTable& positions, size_t layers) {
  if (!positions.set_of_layer.empty() && positions.set_of_layer.size() != layers) {
    return invalid_argument("positions expected an id set for each of " + std::to_string(layers) + " layers, found " +
                            std::to_string(positions.set_of_layer.size()));
  }
  for (int layer = 0; layer < static_cast<int>(layers); ++layer) {
    const int set = set_of(positions, layer);
    if (set >= 0 && static_cast<size_t>(set) < positions.sets.size()) continue;
    return out_of_range("positions of layer " + std::to_string(layer) + " expected one of " +
                        std::to_string(positions.sets.size()) + " id sets, found set " + std::to_string(set));
  }
  return ok_status();
}

Status check_chunk(const SequenceChunk& chunk, int hidden, size_t layers) {
  AZ_RETURN_IF_ERROR(check_shape("decoder input", Shape({chunk.input->tokens(), hidden}), chunk.input->hidden.shape()));
  AZ_RETURN_IF_ERROR(check_sets(*chunk.positions, layers));
  AZ_RETURN_IF_ERROR(chunk.positions->validate(chunk.input->tokens()));
  if (0 <= chunk.begin && chunk.begin < chunk.end && chunk.end <= chunk.input->tokens()) return ok_status();
  return out_of_range("a chunk expected tokens within [0, " + std::to_string(chunk.input->tokens()) + "), found [" +
                      std::to_string(chunk.begin) + ", " + std::to_string(chunk.end) + ")");
}

// One kernel call rotates the rows of all sequences, so their plans must agree in everything but the frequencies.
Status check_same_shape(const PositionEncoding& first, const PositionEncoding& other) {
  for (size_t rope = 0; rope < first.ropes.size(); ++rope) {
    const FrequencyPlan& a = first.ropes[rope]->plan();
    const FrequencyPlan& b = other.ropes[rope]->plan();
    if (a.groups == b.groups && a.pairs == b.pairs && a.pairing == b.pairing) continue;
    return invalid_argument("sequences of one batch expected the same kind of frequency plan; run them one by one");
  }
  return ok_status();
}

// A cache goes on under the kind of score term that filled it, and ids are such that the term has a meaning for them.
Status check_score_term(const SequenceChunk& chunk, const std::vector<LayerSpec>& layers) {
  if (!chunk.encoding->complete) {
    return internal_error("a position policy that adds something expected to be chosen with a model's weights");
  }
  const ScoreTerm* term = chunk.encoding->score_term.get();
  const CacheIndex cached = chunk.cache->length();
  for (int layer = 0; layer < static_cast<int>(layers.size()); ++layer) {
    if (layers[static_cast<size_t>(layer)].mixer != MixerKind::attention) continue;
    const CacheIndex kept = chunk.cache->layer(layer).state.length();
    if (kept != (term == nullptr ? 0 : cached)) {
      return invalid_argument("a cache of " + std::to_string(cached) + " tokens expected to go on under the position " +
                              "policy that filled it, found another one; prefill the sequence again");
    }
    if (term == nullptr) continue;
    const PositionSet& set = chunk.positions->set_for_layer(layer);
    AZ_RETURN_IF_ERROR(term->check_ids(
        {layer, cached, chunk.tokens(), set.token(chunk.begin), static_cast<int64_t>(set.axes), nullptr}));
  }
  return ok_status();
}

Tensor gather_rows(std::span<const SequenceChunk> chunks, int hidden) {
  int64_t rows = 0;
  for (const SequenceChunk& chunk : chunks) rows += chunk.tokens();
  Tensor gathered({rows, hidden});
  float* out = gathered.data();
  for (const SequenceChunk& chunk : chunks) {
    const int64_t elements = chunk.tokens() * hidden;
    std::copy_n(chunk.input->hidden.row(chunk.begin), elements, out);
    out += elements;
  }
  return gathered;
}

Status add_embeddings(std::span<const SequenceChunk> chunks, Tensor& hidden) {
  int64_t row = 0;
  for (const SequenceChunk& chunk : chunks) {
    if (const positions::AddedEmbedding* embedding = chunk.encoding->embedding.get()) {
      const PositionSet& set = chunk.positions->sets[0];
      AZ_RETURN_IF_ERROR(embedding->add(set.token(chunk.begin), set.axes, chunk.tokens(), hidden.row(row)));
    }
    row += chunk.tokens();
  }
  return ok_status();
}

void add_streams(std::span<const SequenceChunk> chunks, int layer, Tensor& hidden) {
  int64_t first_row = 0;
  for (const SequenceChunk& chunk : chunks) {
    for (const LayerStream& stream : chunk.input->streams) {
      if (stream.layer != layer) continue;
      const auto from = std::lower_bound(stream.tokens.begin(), stream.tokens.end(), chunk.begin);
      for (auto token = from; token != stream.tokens.end() && *token < chunk.end; ++token) {
        const float* source = stream.rows.row(token - stream.tokens.begin());
        float* target = hidden.row(first_row + *token - chunk.begin);
        for (int64_t channel = 0; channel < hidden.row_elements(); ++channel) target[channel] += source[channel];
      }
    }
    first_row += chunk.tokens();
  }
}

void rms(const Tensor& weight, float eps, const Tensor& in, Tensor& out, ThreadPool& pool) {
  const int64_t width = in.row_elements();
  kernels::rms_norm(in.data(), in.shape()[0], width, width, weight.data(), eps, out.data(), width, pool);
}

// RMS norm, or layer norm where there is a bias.
void norm(const Tensor& weight, const Tensor& bias, float eps, const Tensor& in, Tensor& out, ThreadPool& pool) {
  if (bias.empty()) return rms(weight, eps, in, out, pool);
  const int64_t width = in.row_elements();
  kernels::layer_norm(in.data(), in.shape()[0], width, width, weight.data(), bias.data(), eps, out.data(), width, pool);
}

// What the halves of all layers of a pass work on.
struct Pass {
  std::span<const SequenceChunk> chunks;
  const RunContext& context;
  Tensor& hidden;  // [rows, hidden]
  Tensor normed;   // [rows, hidden]
  Tensor update;   // [rows, hidden]
  AttentionWorkspace attention;
  MlpWorkspace mlp;
};

// Layers that attend to pictures are left out where no sequence has any.
bool runs(const LayerSpec& layer, int index, std::span<const SequenceChunk> chunks) {
  return layer.mixer != MixerKind::cross_attention ||
         std::ranges::any_of(chunks, [&](const auto& chunk) { return sees_features(chunk, index); });
}

// The half of a layer in which tokens learn of each other, added to the hidden states.
void mix_tokens(const LayerSpec& layer, const LayerWeights& weights, int index, const Rotations& rotations,
                Pass& pass) {
  Tensor& hidden = pass.hidden;
  ThreadPool& pool = pass.context.pool;
  const auto norm_into = [&](Tensor& out) {
    norm(weights.attention_norm, weights.attention_norm_bias, layer.norm_eps, hidden, out, pool);
  };
  if (!layer.norms_behind) norm_into(pass.normed);
  const Tensor& input = layer.norms_behind ? hidden : pass.normed;
  switch (layer.mixer) {
    case MixerKind::attention:
      attention_layer(layer, weights, index, pass.chunks, rotations.of_layer(index), input, pass.attention, pass.update,
                      pass.context);
      break;
    case MixerKind::cross_attention:
      cross_attention_layer(layer, weights, index, pass.chunks, input, pass.attention, pass.update, pass.context);
      break;
    case MixerKind::linear_attention:
      linear_attention(layer, *weights.linear, index, pass.chunks, input, pass.update, pool);
      break;
  }
  if (layer.post_norms) rms(weights.attention_post_norm, layer.norm_eps, pass.update, pass.update, pool);
  kernels::add(hidden.data(), pass.update.data(), hidden.elements(), pool);
  if (layer.norms_behind) norm_into(hidden);
}

// The half in which each token is by itself, added to the hidden states.
void feed_forward(const LayerSpec& layer, const LayerWeights& weights, int index, Pass& pass) {
  Tensor& hidden = pass.hidden;
  ThreadPool& pool = pass.context.pool;
  const auto norm_into = [&](Tensor& out) {
    norm(weights.mlp_norm, weights.mlp_norm_bias, layer.norm_eps, hidden, out, pool);
  };
  if (!layer.norms_behind) norm_into(pass.normed);
  mlp_layer(layer, weights, layer.norms_behind ? hidden : pass.normed, pass.mlp, pass.update, pool);
  if (layer.experts && layer.experts->beside_mlp) {
    add_experts_beside(layer, weights, hidden, pass.mlp.moe, pass.normed, pass.update, pool);
  }
  if (layer.mixer == MixerKind::cross_attention) gate_cross_mlp(weights, index, pass.chunks, pass.update);
  if (layer.post_norms) rms(weights.mlp_post_norm, layer.norm_eps, pass.update, pass.update, pool);
  kernels::add(hidden.data(), pass.update.data(), hidden.elements(), pool);
  if (layer.norms_behind) norm_into(hidden);
}

}  // namespace

Result<Tensor> Decoder::embed(std::span<const int32_t> ids) const {
  const int64_t vocab = spec_.vocab + spec_.extra_embeddings;
  const int width = spec_.input_width > 0 ? spec_.input_width : spec_.hidden;
  Tensor rows({static_cast<int64_t>(ids.size()), width});
  for (size_t i = 0; i < ids.size(); ++i) {
    const int32_t id = spec_.table_row(ids[i]);
    if (id < 0 || id >= vocab) {
      return out_of_range("token id expected a value in [0, " + std::to_string(vocab) + "), found " +
                          std::to_string(ids[i]) + " at token " + std::to_string(i) +
                          "; the tokenizer and the weights do not belong together");
    }
    float* row = rows.row(static_cast<int64_t>(i));
    weights_.embedding.unpack_row(id, row);
    if (spec_.embedding_scale != 1.0f) {
      for (int channel = 0; channel < width; ++channel) row[channel] *= spec_.embedding_scale;
    }
  }
  if (spec_.input_width == 0) return rows;
  ThreadPool alone(1);
  Tensor projected({rows.shape()[0], spec_.hidden});
  weights_.input_projection.apply(rows.data(), rows.shape()[0], projected.data(), alone);
  return projected;
}

Result<Tensor> Decoder::forward(std::span<const SequenceChunk> chunks, const RunContext& context) const {
  if (chunks.empty()) return Tensor({0, spec_.hidden});
  for (const SequenceChunk& chunk : chunks) {
    AZ_RETURN_IF_ERROR(check_chunk(chunk, spec_.hidden, spec_.layers.size()));
    AZ_RETURN_IF_ERROR(check_same_shape(*chunks[0].encoding, *chunk.encoding));
    AZ_RETURN_IF_ERROR(check_score_term(chunk, spec_.layers));
  }
  const PassHooks hooks(chunks, context);
  std::vector<std::vector<std::shared_ptr<const RecurrentState>>> states;  // [chunks][layers]
  for (const SequenceChunk& chunk : chunks) states.push_back(chunk.cache->recurrent_states());
  const CancelScope scope(context.cancel);
  Result<Tensor> hidden = run_layers(chunks, hooks, context);
  if (hidden.ok() && weights_.intact) {
    if (Status intact = weights_.intact(); !intact.ok()) hidden = std::move(intact);
  }
  if (hidden.ok()) return hidden;
  for (size_t i = 0; i < chunks.size(); ++i) chunks[i].cache->restore(states[i]);
  for (size_t i = 0; i < chunks.size(); ++i) AZ_RETURN_IF_ERROR(chunks[i].cache->truncate(hooks.first_tokens()[i]));
  return hidden;
}

Result<Tensor> Decoder::run_layers(std::span<const SequenceChunk> chunks, const PassHooks& hooks,
                                   const RunContext& context) const {
  AZ_ASSIGN_OR_RETURN(const Rotations rotations, Rotations::build(spec_, chunks, context.hooks));
  Tensor hidden = gather_rows(chunks, spec_.hidden);
  AZ_RETURN_IF_ERROR(add_embeddings(chunks, hidden));
  AZ_RETURN_IF_ERROR(hooks.pass_rows(Stage::embeddings, -1, hidden));
  const int64_t rows = hidden.shape()[0];
  Tensor layer_inputs;  // [rows, layers * per_layer_width], or empty
  if (spec_.per_layer_vocab > 0) {
    AZ_ASSIGN_OR_RETURN(layer_inputs, per_layer_inputs(spec_, weights_, chunks, hidden, context.pool));
  }
  Pass pass{chunks,
            context,
            hidden,
            Tensor({rows, spec_.hidden}),
            Tensor({rows, spec_.hidden}),
            AttentionWorkspace(spec_, rows),
            MlpWorkspace(spec_, rows)};
  for (int index = 0; index < static_cast<int>(spec_.layers.size()); ++index) {
    const LayerSpec& layer = spec_.layers[static_cast<size_t>(index)];
    const LayerWeights& weights = weights_.layers[static_cast<size_t>(index)];
    AZ_RETURN_IF_ERROR(context.checkpoint(static_cast<double>(index) / static_cast<double>(spec_.layers.size())));
    AZ_RETURN_IF_ERROR(hooks.enter_layer(index, hidden));

    if (runs(layer, index, chunks)) {
      mix_tokens(layer, weights, index, rotations, pass);
      feed_forward(layer, weights, index, pass);
    }
    if (layer.per_layer_width > 0)
      add_per_layer_input(layer, weights, index, layer_inputs, pass.update, hidden, context.pool);
    if (layer.output_scalar) {
      const float scalar = weights.output_scalar.data()[0];
      for (int64_t i = 0; i < hidden.elements(); ++i) hidden.data()[i] *= scalar;
    }

    AZ_RETURN_IF_ERROR(RunContext::intact());
    AZ_RETURN_IF_ERROR(hooks.pass_rows(Stage::layer_output, index, hidden));
    add_streams(chunks, index, hidden);
  }
  AZ_RETURN_IF_ERROR(hooks.pass_rows(Stage::final_hidden, -1, hidden));
  AZ_RETURN_IF_ERROR(context.checkpoint(1.0));
  return hidden;
}

Tensor Decoder::logits(const float* hidden, int64_t rows, ThreadPool& pool) const {
  Tensor normed({rows, spec_.hidden});
  std::copy_n(hidden, normed.elements(), normed.data());
  if (spec_.final_norm != NormKind::none) {
    norm(weights_.final_norm, weights_.final_norm_bias, spec_.final_norm_eps, normed, normed, pool);
  }
  if (spec_.input_width > 0) {
    Tensor narrow({rows, spec_.input_width});
    weights_.output_projection.apply(normed.data(), rows, narrow.data(), pool);
    normed = std::move(narrow);
  }
  Tensor out({rows, spec_.vocab});
  const kernels::PackedMatrix& head = weights_.head.empty() ? weights_.embedding : weights_.head;
  kernels::matmul(head, normed.data(), rows, normed.row_elements(), nullptr, out.data(), spec_.vocab, pool);
  if (spec_.logit_soft_cap > 0.0f) {
    const float cap = spec_.logit_soft_cap;
    for (int64_t i = 0; i < out.elements(); ++i) out.data()[i] = cap * std::tanh(out.data()[i] / cap);
  }
  return out;
}

}  // namespace azimuth::decoder
