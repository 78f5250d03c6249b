#include "decoder/decoder.h"

#include <algorithm>
#include <cmath>

#include "decoder/cross_attention.h"
#include "decoder/experts_beside.h"
#include "decoder/pass_hooks.h"
#include "decoder/pass_workspace.h"
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

int64_t rows_of(std::span<const SequenceChunk> chunks) {
  int64_t rows = 0;
  for (const SequenceChunk& chunk : chunks) rows += chunk.tokens();
  return rows;
}

void gather_rows(std::span<const SequenceChunk> chunks, Tensor& hidden) {
  float* out = hidden.data();
  for (const SequenceChunk& chunk : chunks)
    out = std::copy_n(chunk.input->hidden.row(chunk.begin), chunk.tokens() * hidden.row_elements(), out);
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
  PassWorkspace& work;
};

// Layers that attend to pictures are left out where no sequence has any.
bool runs(const LayerSpec& layer, int index, std::span<const SequenceChunk> chunks) {
  return layer.mixer != MixerKind::cross_attention ||
         std::ranges::any_of(chunks, [&](const auto& chunk) { return sees_features(chunk, index); });
}

// The half of a layer in which tokens learn of each other, added to the hidden states.
void mix_tokens(const LayerSpec& layer, const LayerWeights& weights, int index, const Pass& pass) {
  PassWorkspace& work = pass.work;
  Tensor& hidden = work.hidden;
  ThreadPool& pool = pass.context.pool;
  const auto norm_into = [&](Tensor& out) {
    norm(weights.attention_norm, weights.attention_norm_bias, layer.norm_eps, hidden, out, pool);
  };
  if (!layer.norms_behind) norm_into(work.normed);
  const Tensor& input = layer.norms_behind ? hidden : work.normed;
  switch (layer.mixer) {
    case MixerKind::attention:
      attention_layer(layer, weights, index, pass.chunks, work.rotations.of_layer(index), input, work.attention,
                      work.update, pass.context);
      break;
    case MixerKind::cross_attention:
      cross_attention_layer(layer, weights, index, pass.chunks, input, work.attention, work.update, pass.context);
      break;
    case MixerKind::linear_attention:
      linear_attention(layer, *weights.linear, index, pass.chunks, input, work.marks, work.linear, work.update, pool);
      break;
  }
  if (layer.post_norms) rms(weights.attention_post_norm, layer.norm_eps, work.update, work.update, pool);
  kernels::add(hidden.data(), work.update.data(), hidden.elements(), pool);
  if (layer.norms_behind) norm_into(hidden);
}

// The half in which each token is by itself, added to the hidden states.
void feed_forward(const LayerSpec& layer, const LayerWeights& weights, int index, const Pass& pass) {
  PassWorkspace& work = pass.work;
  Tensor& hidden = work.hidden;
  ThreadPool& pool = pass.context.pool;
  const auto norm_into = [&](Tensor& out) {
    norm(weights.mlp_norm, weights.mlp_norm_bias, layer.norm_eps, hidden, out, pool);
  };
  if (!layer.norms_behind) norm_into(work.normed);
  mlp_layer(layer, weights, layer.norms_behind ? hidden : work.normed, work.mlp, work.update, pool);
  if (layer.experts && layer.experts->beside_mlp) {
    add_experts_beside(layer, weights, hidden, work.mlp.moe, work.normed, work.update, pool);
  }
  if (layer.mixer == MixerKind::cross_attention) gate_cross_mlp(weights, index, pass.chunks, work.update);
  if (layer.post_norms) rms(weights.mlp_post_norm, layer.norm_eps, work.update, work.update, pool);
  kernels::add(hidden.data(), work.update.data(), hidden.elements(), pool);
  if (layer.norms_behind) norm_into(hidden);
}

// Whether nobody reads what this layer, the last one, leaves of other tokens than the last ones.
bool only_last_rows_count(const LayerSpec& layer, const Pass& pass) {
  const RunContext& context = pass.context;
  const bool watched = context.tap != nullptr || (context.hooks != nullptr && context.hooks->on_write);
  return !watched && layer.mixer != MixerKind::cross_attention && layer.per_layer_width == 0 &&
         std::ranges::all_of(pass.chunks, [](const SequenceChunk& chunk) { return chunk.last_row_only; });
}

// feed_forward() for the last token of each chunk: of a prompt's last layer that is all that its next token needs.
void feed_last_rows_forward(const LayerSpec& layer, const LayerWeights& weights, int index, const Pass& pass) {
  PassWorkspace& work = pass.work;
  const int64_t width = work.hidden.row_elements();
  for (Tensor* tensor : {&work.last, &work.normed, &work.update})
    tensor->resize({static_cast<int64_t>(pass.chunks.size()), width});
  const auto each_last_row = [&](const auto& visit) {
    int64_t end = 0;
    for (size_t i = 0; i < pass.chunks.size(); ++i) {
      end += pass.chunks[i].tokens();
      visit(work.hidden.row(end - 1), work.last.row(static_cast<int64_t>(i)));
    }
  };
  each_last_row([&](const float* row, float* last) { std::copy_n(row, width, last); });
  std::swap(work.hidden, work.last);
  feed_forward(layer, weights, index, pass);
  std::swap(work.hidden, work.last);
  each_last_row([&](float* row, const float* last) { std::copy_n(last, width, row); });
}

}  // namespace

Status Decoder::look_up(std::span<const int32_t> ids, Tensor& rows) const {
  const int64_t vocab = spec_.vocab + spec_.extra_embeddings;
  const int width = spec_.input_width > 0 ? spec_.input_width : spec_.hidden;
  rows.resize({static_cast<int64_t>(ids.size()), width});
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
  return ok_status();
}

Status Decoder::embed(std::span<const int32_t> ids, Tensor& rows) const {
  if (spec_.input_width == 0) return look_up(ids, rows);
  static thread_local Tensor narrow;
  static ThreadPool alone(1);  // has no thread but the caller's
  AZ_RETURN_IF_ERROR(look_up(ids, narrow));
  rows.resize({narrow.shape()[0], spec_.hidden});
  weights_.input_projection.apply(narrow.data(), narrow.shape()[0], rows.data(), alone);
  return ok_status();
}

Result<Tensor> Decoder::embed(std::span<const int32_t> ids) const {
  Tensor rows;
  AZ_RETURN_IF_ERROR(embed(ids, rows));
  return rows;
}

Result<Tensor> Decoder::forward(std::span<const SequenceChunk> chunks, const RunContext& context) const {
  PassWorkspace work;
  AZ_RETURN_IF_ERROR(forward(chunks, context, work));
  return std::move(work.hidden);
}

Status Decoder::forward(std::span<const SequenceChunk> chunks, const RunContext& context, PassWorkspace& work) const {
  for (const SequenceChunk& chunk : chunks) {
    AZ_RETURN_IF_ERROR(check_chunk(chunk, spec_.hidden, spec_.layers.size()));
    AZ_RETURN_IF_ERROR(check_same_shape(*chunks[0].encoding, *chunk.encoding));
    AZ_RETURN_IF_ERROR(check_score_term(chunk, spec_.layers));
  }
  work.resize(spec_, rows_of(chunks));
  if (chunks.empty()) return ok_status();
  work.marks.take(chunks);
  const CancelScope scope(context.cancel);
  Status status = run_layers(chunks, context, work);
  if (status.ok() && weights_.intact) status = weights_.intact();
  if (!status.ok()) AZ_RETURN_IF_ERROR(work.marks.go_back(chunks));
  return status;
}

Status Decoder::run_layers(std::span<const SequenceChunk> chunks, const RunContext& context,
                           PassWorkspace& work) const {
  Tensor& hidden = work.hidden;
  const PassHooks hooks(chunks, work.marks, context);
  AZ_RETURN_IF_ERROR(work.rotations.build(spec_, chunks, context.hooks));
  gather_rows(chunks, hidden);
  AZ_RETURN_IF_ERROR(add_embeddings(chunks, hidden));
  AZ_RETURN_IF_ERROR(hooks.pass_rows(Stage::embeddings, -1, hidden));
  if (spec_.per_layer_vocab > 0) {
    AZ_RETURN_IF_ERROR(per_layer_inputs(spec_, weights_, chunks, hidden, work.per_layer, context.pool));
  }
  const Pass pass{chunks, context, work};
  for (int index = 0; index < static_cast<int>(spec_.layers.size()); ++index) {
    const LayerSpec& layer = spec_.layers[static_cast<size_t>(index)];
    const LayerWeights& weights = weights_.layers[static_cast<size_t>(index)];
    AZ_RETURN_IF_ERROR(context.checkpoint(static_cast<double>(index) / static_cast<double>(spec_.layers.size())));
    AZ_RETURN_IF_ERROR(hooks.enter_layer(index, hidden));

    if (runs(layer, index, chunks)) {
      mix_tokens(layer, weights, index, pass);
      const bool last = index + 1 == static_cast<int>(spec_.layers.size());
      if (last && only_last_rows_count(layer, pass)) {
        feed_last_rows_forward(layer, weights, index, pass);
      } else {
        feed_forward(layer, weights, index, pass);
      }
    }
    if (layer.per_layer_width > 0)
      add_per_layer_input(layer, weights, index, work.per_layer, work.update, hidden, context.pool);
    if (layer.output_scalar) {
      const float scalar = weights.output_scalar.data()[0];
      for (int64_t i = 0; i < hidden.elements(); ++i) hidden.data()[i] *= scalar;
    }

    AZ_RETURN_IF_ERROR(RunContext::intact());
    AZ_RETURN_IF_ERROR(hooks.pass_rows(Stage::layer_output, index, hidden));
    add_streams(chunks, index, hidden);
  }
  AZ_RETURN_IF_ERROR(hooks.pass_rows(Stage::final_hidden, -1, hidden));
  return context.checkpoint(1.0);
}

void Decoder::logits(const float* hidden, int64_t rows, HeadWorkspace& work, ThreadPool& pool) const {
  Tensor& normed = work.normed;
  normed.resize({rows, spec_.hidden});
  std::copy_n(hidden, normed.elements(), normed.data());
  if (spec_.final_norm != NormKind::none) {
    norm(weights_.final_norm, weights_.final_norm_bias, spec_.final_norm_eps, normed, normed, pool);
  }
  if (spec_.input_width > 0) {
    work.narrow.resize({rows, spec_.input_width});
    weights_.output_projection.apply(normed.data(), rows, work.narrow.data(), pool);
  }
  const Tensor& input = spec_.input_width > 0 ? work.narrow : normed;
  Tensor& out = work.logits;
  out.resize({rows, spec_.vocab});
  const kernels::PackedMatrix& head = weights_.head.empty() ? weights_.embedding : weights_.head;
  kernels::matmul(head, input.data(), rows, input.row_elements(), nullptr, out.data(), spec_.vocab, pool);
  if (spec_.logit_soft_cap > 0.0f) {
    const float cap = spec_.logit_soft_cap;
    for (int64_t i = 0; i < out.elements(); ++i) out.data()[i] = cap * std::tanh(out.data()[i] / cap);
  }
}

Tensor Decoder::logits(const float* hidden, int64_t rows, ThreadPool& pool) const {
  HeadWorkspace work;
  logits(hidden, rows, work, pool);
  return std::move(work.logits);
}

}  // namespace azimuth::decoder
