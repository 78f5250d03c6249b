#include "engine/load_parts.h"

namespace azimuth::engine {
namespace {

// Norm weights w of models whose norms act as 1 + w are stored as 1 + w.
Status read_norm(const TextSpec& spec, const std::string& slot, WeightReader& reader, Tensor& out) {
  AZ_RETURN_IF_ERROR(reader.read(slot, out));
  if (!spec.norm_plus_one) return ok_status();
  for (int64_t i = 0; i < out.elements(); ++i) out.data()[i] += 1.0f;
  return ok_status();
}

// A tied head is the embedding, and stays empty. Files that hold another head as well contradict their config, and are
// believed (transformers: PreTrainedModel.tie_weights).
Status read_head(const TextSpec& spec, WeightReader& reader, kernels::PackedMatrix& out) {
  if (spec.tied_head) {
    if (!reader.in_files("decoder.head")) return ok_status();
    AZ_ASSIGN_OR_RETURN(const bool same, reader.equal("decoder.embedding", "decoder.head"));
    if (same) return ok_status();
  }
  return reader.read("decoder.head", out);
}

Status read_linear_attention(const std::string& slot, WeightReader& reader, decoder::LinearAttentionWeights& out) {
  AZ_RETURN_IF_ERROR(reader.read(slot + "mixed", out.mixed));
  AZ_RETURN_IF_ERROR(reader.read(slot + "gate", out.gate));
  AZ_RETURN_IF_ERROR(reader.read(slot + "write", out.write));
  AZ_RETURN_IF_ERROR(reader.read(slot + "decay", out.decay));
  AZ_RETURN_IF_ERROR(reader.read(slot + "convolution", out.convolution));
  AZ_RETURN_IF_ERROR(reader.read(slot + "decay_rate", out.decay_rate));
  AZ_RETURN_IF_ERROR(reader.read(slot + "decay_bias", out.decay_bias));
  AZ_RETURN_IF_ERROR(reader.read(slot + "norm", out.norm));
  return reader.read(slot + "output", out.output);
}

Status read_attention(const TextSpec& spec, const LayerSpec& layer, const std::string& slot, WeightReader& reader,
                      decoder::LayerWeights& weights) {
  AZ_RETURN_IF_ERROR(reader.read(slot + "query", weights.query));
  AZ_RETURN_IF_ERROR(reader.read(slot + "key", weights.key));
  AZ_RETURN_IF_ERROR(reader.read(slot + "value", weights.value));
  AZ_RETURN_IF_ERROR(reader.read(slot + "output", weights.output));
  if (!layer.qk_norm) return ok_status();
  AZ_RETURN_IF_ERROR(read_norm(spec, slot + "query_norm", reader, weights.query_norm));
  return read_norm(spec, slot + "key_norm", reader, weights.key_norm);
}

Result<decoder::LayerWeights> load_layer(const TextSpec& spec, size_t index, WeightReader& reader) {
  const LayerSpec& layer = spec.layers[index];
  const std::string slot = "decoder.layers." + std::to_string(index) + ".";
  decoder::LayerWeights weights;
  AZ_RETURN_IF_ERROR(read_norm(spec, slot + "attention_norm", reader, weights.attention_norm));
  if (layer.mixer == MixerKind::linear_attention) {
    weights.linear = std::make_unique<decoder::LinearAttentionWeights>();
    AZ_RETURN_IF_ERROR(read_linear_attention(slot + "linear.", reader, *weights.linear));
  } else {
    AZ_RETURN_IF_ERROR(read_attention(spec, layer, slot, reader, weights));
  }
  AZ_RETURN_IF_ERROR(read_norm(spec, slot + "mlp_norm", reader, weights.mlp_norm));
  if (layer.post_norms) {
    AZ_RETURN_IF_ERROR(read_norm(spec, slot + "attention_post_norm", reader, weights.attention_post_norm));
    AZ_RETURN_IF_ERROR(read_norm(spec, slot + "mlp_post_norm", reader, weights.mlp_post_norm));
  }
  if (layer.mlp == MlpKind::gated) AZ_RETURN_IF_ERROR(reader.read(slot + "gate", weights.gate));
  AZ_RETURN_IF_ERROR(reader.read(slot + "up", weights.up));
  AZ_RETURN_IF_ERROR(reader.read(slot + "down", weights.down));
  return weights;
}

// slot.weight and, of a layer norm, slot.bias.
Status read_norm(const std::string& slot, WeightReader& reader, vision::NormWeights& out) {
  AZ_RETURN_IF_ERROR(reader.read(slot + ".weight", out.weight));
  return reader.in_map(slot + ".bias") ? reader.read(slot + ".bias", out.bias) : ok_status();
}

// What the family's map names of a projector; the others stay empty.
Status read_projector(const std::string& slot, WeightReader& reader, vision::ProjectorWeights& out) {
  if (reader.in_map(slot + "norm.weight")) AZ_RETURN_IF_ERROR(read_norm(slot + "norm", reader, out.norm));
  if (reader.in_map(slot + "first.weight")) AZ_RETURN_IF_ERROR(reader.read(slot + "first", out.first));
  if (reader.in_map(slot + "second.weight")) AZ_RETURN_IF_ERROR(reader.read(slot + "second", out.second));
  return ok_status();
}

Result<vision::TowerLayerWeights> load_tower_layer(const VisionSpec& spec, const std::string& slot,
                                                   WeightReader& reader) {
  vision::TowerLayerWeights layer;
  AZ_RETURN_IF_ERROR(read_norm(slot + "attention_norm", reader, layer.attention_norm));
  AZ_RETURN_IF_ERROR(reader.read(slot + "qkv", layer.qkv));
  if (spec.qk_norm != TowerQkNorm::none) {
    AZ_RETURN_IF_ERROR(read_norm(slot + "query_norm", reader, layer.query_norm));
    AZ_RETURN_IF_ERROR(read_norm(slot + "key_norm", reader, layer.key_norm));
  }
  AZ_RETURN_IF_ERROR(reader.read(slot + "output", layer.output));
  AZ_RETURN_IF_ERROR(read_norm(slot + "mlp_norm", reader, layer.mlp_norm));
  if (spec.gated_mlp) AZ_RETURN_IF_ERROR(reader.read(slot + "gate", layer.gate));
  AZ_RETURN_IF_ERROR(reader.read(slot + "up", layer.up));
  AZ_RETURN_IF_ERROR(reader.read(slot + "down", layer.down));
  if (spec.post_norms) {
    AZ_RETURN_IF_ERROR(read_norm(slot + "attention_post_norm", reader, layer.attention_post_norm));
    AZ_RETURN_IF_ERROR(read_norm(slot + "mlp_post_norm", reader, layer.mlp_post_norm));
  }
  if (spec.layer_scale) {
    AZ_RETURN_IF_ERROR(reader.read(slot + "attention_scale", layer.attention_scale));
    AZ_RETURN_IF_ERROR(reader.read(slot + "mlp_scale", layer.mlp_scale));
  }
  if (spec.rotary == TowerRotary::mixed) {
    AZ_RETURN_IF_ERROR(reader.read(slot + "mixed_frequencies", layer.mixed_frequencies));
  }
  return layer;
}

}  // namespace

Result<decoder::DecoderWeights> load_decoder_weights(const TextSpec& spec, WeightReader& reader) {
  decoder::DecoderWeights weights;
  AZ_RETURN_IF_ERROR(reader.read("decoder.embedding", weights.embedding));
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    AZ_ASSIGN_OR_RETURN(decoder::LayerWeights layer, load_layer(spec, i, reader));
    weights.layers.push_back(std::move(layer));
  }
  AZ_RETURN_IF_ERROR(read_norm(spec, "decoder.final_norm", reader, weights.final_norm));
  AZ_RETURN_IF_ERROR(read_head(spec, reader, weights.head));
  return weights;
}

Result<vision::TowerWeights> load_tower_weights(const VisionSpec& spec, WeightReader& reader) {
  vision::TowerWeights weights;
  AZ_RETURN_IF_ERROR(reader.read("tower.patch", weights.patch));
  if (spec.class_tokens > 0) AZ_RETURN_IF_ERROR(reader.read("tower.class_tokens", weights.class_tokens));
  if (spec.learned_side > 0) AZ_RETURN_IF_ERROR(reader.read("tower.learned_grid", weights.learned_grid));
  if (spec.learned_axis_rows > 0) AZ_RETURN_IF_ERROR(reader.read("tower.learned_axes", weights.learned_axes));
  if (spec.pre_norm) AZ_RETURN_IF_ERROR(read_norm("tower.pre_norm", reader, weights.pre_norm));
  if (spec.final_norm) AZ_RETURN_IF_ERROR(read_norm("tower.final_norm", reader, weights.final_norm));
  if (reader.in_map("tower.newline")) AZ_RETURN_IF_ERROR(reader.read("tower.newline", weights.newline));
  for (int i = 0; i < spec.layers; ++i) {
    AZ_ASSIGN_OR_RETURN(vision::TowerLayerWeights layer,
                        load_tower_layer(spec, "tower.layers." + std::to_string(i) + ".", reader));
    weights.layers.push_back(std::move(layer));
  }
  AZ_RETURN_IF_ERROR(read_projector("tower.projector.", reader, weights.projector));
  for (size_t level = 0; level < spec.deepstack.size(); ++level) {
    weights.deepstack.emplace_back();
    AZ_RETURN_IF_ERROR(
        read_projector("tower.deepstack." + std::to_string(level) + ".", reader, weights.deepstack.back()));
  }
  return weights;
}

}  // namespace azimuth::engine
