#include "engine/load_parts.h"

#include <algorithm>
#include <cmath>

namespace azimuth::engine {
namespace {

// Norm weights w that act as 1 + w are stored as 1 + w.
void add_one(Tensor& weight) {
  for (int64_t i = 0; i < weight.elements(); ++i) weight.data()[i] += 1.0f;
}

Status read_norm(const TextSpec& spec, const std::string& slot, WeightReader& reader, Tensor& out) {
  AZ_RETURN_IF_ERROR(reader.read(slot, out));
  if (spec.norm_plus_one) add_one(out);
  return ok_status();
}

// A norm of the decoder by its kind: w in the slot itself, or slot.weight and slot.bias of a layer norm.
Status read_norm(const TextSpec& spec, NormKind kind, const std::string& slot, WeightReader& reader, Tensor& weight,
                 Tensor& bias) {
  switch (kind) {
    case NormKind::none: return ok_status();
    case NormKind::rms: return read_norm(spec, slot, reader, weight);
    case NormKind::layer:
      AZ_RETURN_IF_ERROR(reader.read(slot + ".weight", weight));
      return reader.read(slot + ".bias", bias);
    case NormKind::plain_layer: break;
  }
  weight = Tensor({spec.hidden});
  std::fill_n(weight.data(), spec.hidden, 1.0f);
  bias = Tensor::zeros({spec.hidden});
  return ok_status();
}

// A learned gate, which acts as its tanh.
Status read_gate(const std::string& slot, WeightReader& reader, float& gate) {
  Tensor value;
  AZ_RETURN_IF_ERROR(reader.read(slot, value));
  gate = std::tanh(value.data()[0]);
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
  AZ_RETURN_IF_ERROR(reader.read(slot + "output", weights.output));
  if (layer.qk_norm) AZ_RETURN_IF_ERROR(read_norm(spec, slot + "query_norm", reader, weights.query_norm));
  if (layer.kv_source >= 0) return ok_status();
  AZ_RETURN_IF_ERROR(reader.read(slot + "key", weights.key));
  if (!layer.keys_are_values) AZ_RETURN_IF_ERROR(reader.read(slot + "value", weights.value));
  return layer.qk_norm ? read_norm(spec, slot + "key_norm", reader, weights.key_norm) : ok_status();
}

// What the family's map does not name stays empty.
Result<decoder::MoeWeights> load_experts(const MoeSpec& spec, const std::string& slot, WeightReader& reader) {
  decoder::MoeWeights weights;
  std::vector<kernels::PackedMatrix> gate_up;  // [2 * experts]: gate, up, gate, up, ...
  std::vector<kernels::PackedMatrix> down;     // [experts]
  AZ_RETURN_IF_ERROR(reader.read(slot + "router", weights.router));
  AZ_RETURN_IF_ERROR(reader.read(slot + "experts.gate_up", 2, gate_up));
  AZ_RETURN_IF_ERROR(reader.read(slot + "experts.down", 1, down));
  for (size_t i = 0; i < down.size(); ++i) {
    weights.experts.push_back(
        {{std::move(gate_up[2 * i]), {}}, {std::move(gate_up[2 * i + 1]), {}}, {std::move(down[i]), {}}});
  }
  if (reader.in_map(slot + "expert_scale"))
    AZ_RETURN_IF_ERROR(reader.read(slot + "expert_scale", weights.expert_scale));
  if (spec.shared_intermediate == 0) return weights;
  AZ_RETURN_IF_ERROR(reader.read(slot + "shared.router", weights.shared_gate));
  AZ_RETURN_IF_ERROR(reader.read(slot + "shared.gate", weights.shared.gate));
  AZ_RETURN_IF_ERROR(reader.read(slot + "shared.up", weights.shared.up));
  AZ_RETURN_IF_ERROR(reader.read(slot + "shared.down", weights.shared.down));
  return weights;
}

Result<decoder::LayerWeights> load_layer(const TextSpec& spec, size_t index, WeightReader& reader) {
  const LayerSpec& layer = spec.layers[index];
  const std::string slot = "decoder.layers." + std::to_string(index) + ".";
  decoder::LayerWeights weights;
  AZ_RETURN_IF_ERROR(read_norm(spec, layer.norm, slot + "attention_norm", reader, weights.attention_norm,
                               weights.attention_norm_bias));
  if (layer.mixer == MixerKind::linear_attention) {
    weights.linear = std::make_unique<decoder::LinearAttentionWeights>();
    AZ_RETURN_IF_ERROR(read_linear_attention(slot + "linear.", reader, *weights.linear));
  } else {
    AZ_RETURN_IF_ERROR(read_attention(spec, layer, slot, reader, weights));
  }
  AZ_RETURN_IF_ERROR(read_norm(spec, layer.norm, slot + "mlp_norm", reader, weights.mlp_norm, weights.mlp_norm_bias));
  if (layer.post_norms) {
    AZ_RETURN_IF_ERROR(read_norm(spec, slot + "attention_post_norm", reader, weights.attention_post_norm));
    AZ_RETURN_IF_ERROR(read_norm(spec, slot + "mlp_post_norm", reader, weights.mlp_post_norm));
  }
  if (layer.experts) {
    AZ_ASSIGN_OR_RETURN(weights.experts, load_experts(*layer.experts, slot, reader));
    if (!layer.experts->beside_mlp) return weights;
    AZ_RETURN_IF_ERROR(read_norm(spec, slot + "dense_post_norm", reader, weights.dense_post_norm));
    AZ_RETURN_IF_ERROR(read_norm(spec, slot + "router_norm", reader, weights.router_norm));
    AZ_RETURN_IF_ERROR(read_norm(spec, slot + "experts_norm", reader, weights.experts_norm));
    AZ_RETURN_IF_ERROR(read_norm(spec, slot + "experts_post_norm", reader, weights.experts_post_norm));
  }
  if (layer.mlp == MlpKind::gated) AZ_RETURN_IF_ERROR(reader.read(slot + "gate", weights.gate));
  AZ_RETURN_IF_ERROR(reader.read(slot + "up", weights.up));
  AZ_RETURN_IF_ERROR(reader.read(slot + "down", weights.down));
  if (layer.mixer == MixerKind::cross_attention) {
    AZ_RETURN_IF_ERROR(read_gate(slot + "attention_gate", reader, weights.attention_gate));
    AZ_RETURN_IF_ERROR(read_gate(slot + "mlp_gate", reader, weights.mlp_gate));
  }
  if (layer.output_scalar) AZ_RETURN_IF_ERROR(reader.read(slot + "output_scalar", weights.output_scalar));
  if (layer.per_layer_width == 0) return weights;
  AZ_RETURN_IF_ERROR(reader.read(slot + "per_layer_gate", weights.per_layer_gate));
  AZ_RETURN_IF_ERROR(reader.read(slot + "per_layer_output", weights.per_layer_output));
  AZ_RETURN_IF_ERROR(read_norm(spec, slot + "per_layer_post_norm", reader, weights.per_layer_post_norm));
  return weights;
}

// slot.weight and, of a layer norm, slot.bias.
Status read_norm(const std::string& slot, WeightReader& reader, vision::NormWeights& out) {
  AZ_RETURN_IF_ERROR(reader.read(slot + ".weight", out.weight));
  return reader.in_map(slot + ".bias") ? reader.read(slot + ".bias", out.bias) : ok_status();
}

Status read_perceiver(const PerceiverSpec& spec, const std::string& slot, WeightReader& reader,
                      vision::PerceiverWeights& out) {
  AZ_RETURN_IF_ERROR(reader.read(slot + "gate", out.gate));
  AZ_RETURN_IF_ERROR(reader.read(slot + "up", out.up));
  AZ_RETURN_IF_ERROR(reader.read(slot + "down", out.down));
  AZ_RETURN_IF_ERROR(reader.read(slot + "latents", out.latents));
  AZ_RETURN_IF_ERROR(reader.read(slot + "final_norm", out.final_norm));
  for (int i = 0; i < spec.layers; ++i) {
    const std::string at = slot + "layers." + std::to_string(i) + ".";
    vision::PerceiverLayerWeights& layer = out.layers.emplace_back();
    AZ_RETURN_IF_ERROR(reader.read(at + "latents_norm", layer.latents_norm));
    AZ_RETURN_IF_ERROR(reader.read(at + "context_norm", layer.context_norm));
    AZ_RETURN_IF_ERROR(reader.read(at + "query", layer.query));
    AZ_RETURN_IF_ERROR(reader.read(at + "key_value", layer.key_value));
    AZ_RETURN_IF_ERROR(reader.read(at + "output", layer.output));
    AZ_RETURN_IF_ERROR(reader.read(at + "mlp_norm", layer.mlp_norm));
    AZ_RETURN_IF_ERROR(reader.read(at + "gate", layer.gate));
    AZ_RETURN_IF_ERROR(reader.read(at + "up", layer.up));
    AZ_RETURN_IF_ERROR(reader.read(at + "down", layer.down));
  }
  return ok_status();
}

// What the family's map names of a projector; the others stay empty.
Status read_projector(const std::string& slot, WeightReader& reader, vision::ProjectorWeights& out) {
  if (reader.in_map(slot + "norm.weight")) AZ_RETURN_IF_ERROR(read_norm(slot + "norm", reader, out.norm));
  if (reader.in_map(slot + "first.weight")) AZ_RETURN_IF_ERROR(reader.read(slot + "first", out.first));
  if (reader.in_map(slot + "second.weight")) AZ_RETURN_IF_ERROR(reader.read(slot + "second", out.second));
  if (reader.in_map(slot + "mean")) AZ_RETURN_IF_ERROR(reader.read(slot + "mean", out.mean));
  if (reader.in_map(slot + "scale")) AZ_RETURN_IF_ERROR(reader.read(slot + "scale", out.scale));
  if (reader.in_map(slot + "queries")) AZ_RETURN_IF_ERROR(reader.read(slot + "queries", out.queries));
  return ok_status();
}

Status read_q_former_attention(const std::string& slot, WeightReader& reader, vision::QFormerAttention& out) {
  AZ_RETURN_IF_ERROR(reader.read(slot + "query", out.query));
  AZ_RETURN_IF_ERROR(reader.read(slot + "key", out.key));
  AZ_RETURN_IF_ERROR(reader.read(slot + "value", out.value));
  AZ_RETURN_IF_ERROR(reader.read(slot + "output", out.output));
  return read_norm(slot + "norm", reader, out.norm);
}

Status read_q_former(const QFormerSpec& spec, const std::string& slot, WeightReader& reader,
                     std::vector<vision::QFormerLayer>& out) {
  for (int i = 0; i < spec.layers; ++i) {
    const std::string layer = slot + "layers." + std::to_string(i) + ".";
    out.emplace_back();
    AZ_RETURN_IF_ERROR(read_q_former_attention(layer + "self.", reader, out.back().self));
    if (spec.has_cross(i)) {
      AZ_RETURN_IF_ERROR(read_q_former_attention(layer + "cross.", reader, out.back().cross.emplace()));
    }
    AZ_RETURN_IF_ERROR(reader.read(layer + "up", out.back().up));
    AZ_RETURN_IF_ERROR(reader.read(layer + "down", out.back().down));
    AZ_RETURN_IF_ERROR(read_norm(layer + "mlp_norm", reader, out.back().mlp_norm));
  }
  return ok_status();
}

Status read_canvas(WeightReader& reader, vision::CanvasWeights& out) {
  const std::string slot = "tower.canvas.";
  AZ_RETURN_IF_ERROR(read_gate(slot + "position_gate", reader, out.position_gate));
  AZ_RETURN_IF_ERROR(reader.read(slot + "tile_positions", out.tile_positions));
  AZ_RETURN_IF_ERROR(read_gate(slot + "gate_before", reader, out.gate_before));
  AZ_RETURN_IF_ERROR(reader.read(slot + "tiles_before", out.tiles_before));
  AZ_RETURN_IF_ERROR(read_gate(slot + "gate_between", reader, out.gate_between));
  return reader.read(slot + "tiles_between", out.tiles_between);
}

// The gates of a layer of a canvas's second encoder, as the scales that they are.
Status read_tower_gates(const VisionSpec& spec, const std::string& slot, WeightReader& reader,
                        vision::TowerLayerWeights& layer) {
  const std::pair<const char*, Tensor&> scales[] = {{"attention_gate", layer.attention_scale},
                                                    {"mlp_gate", layer.mlp_scale}};
  for (const auto& [name, scale] : scales) {
    float gate = 0.0f;
    AZ_RETURN_IF_ERROR(read_gate(slot + name, reader, gate));
    scale = Tensor({spec.hidden});
    std::fill_n(scale.data(), spec.hidden, gate);
  }
  return ok_status();
}

Status read_bound(const std::string& slot, WeightReader& reader, float& out) {
  Tensor bound;  // a single number
  AZ_RETURN_IF_ERROR(reader.read(slot, bound));
  out = bound.data()[0];
  return ok_status();
}

// A product, with its bounds where the tower has them.
Status read_product(const VisionSpec& spec, const std::string& slot, WeightReader& reader, vision::ClippedLinear& out) {
  AZ_RETURN_IF_ERROR(reader.read(slot, out));
  if (!spec.clipped) return ok_status();
  vision::ClipBounds& bounds = out.bounds.emplace();
  AZ_RETURN_IF_ERROR(read_bound(slot + ".input_min", reader, bounds.input_min));
  AZ_RETURN_IF_ERROR(read_bound(slot + ".input_max", reader, bounds.input_max));
  AZ_RETURN_IF_ERROR(read_bound(slot + ".output_min", reader, bounds.output_min));
  return read_bound(slot + ".output_max", reader, bounds.output_max);
}

Status read_qkv(const VisionSpec& spec, const std::string& slot, WeightReader& reader, vision::TowerLayerWeights& out) {
  if (!spec.clipped) return reader.read(slot + "qkv", out.qkv);
  AZ_RETURN_IF_ERROR(read_product(spec, slot + "query", reader, out.query));
  AZ_RETURN_IF_ERROR(read_product(spec, slot + "key", reader, out.key));
  return read_product(spec, slot + "value", reader, out.value);
}

Result<vision::TowerLayerWeights> load_tower_layer(const VisionSpec& spec, const std::string& slot,
                                                   WeightReader& reader) {
  vision::TowerLayerWeights layer;
  AZ_RETURN_IF_ERROR(read_norm(slot + "attention_norm", reader, layer.attention_norm));
  AZ_RETURN_IF_ERROR(read_qkv(spec, slot, reader, layer));
  if (spec.qk_norm != TowerQkNorm::none) {
    AZ_RETURN_IF_ERROR(read_norm(slot + "query_norm", reader, layer.query_norm));
    AZ_RETURN_IF_ERROR(read_norm(slot + "key_norm", reader, layer.key_norm));
  }
  AZ_RETURN_IF_ERROR(read_product(spec, slot + "output", reader, layer.output));
  AZ_RETURN_IF_ERROR(read_norm(slot + "mlp_norm", reader, layer.mlp_norm));
  if (spec.gated_mlp) AZ_RETURN_IF_ERROR(read_product(spec, slot + "gate", reader, layer.gate));
  AZ_RETURN_IF_ERROR(read_product(spec, slot + "up", reader, layer.up));
  AZ_RETURN_IF_ERROR(read_product(spec, slot + "down", reader, layer.down));
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

Result<decoder::DecoderWeights> load_decoder_weights(const TextSpec& spec, WeightReader& reader) {
  decoder::DecoderWeights weights;
  AZ_RETURN_IF_ERROR(reader.read("decoder.embedding", weights.embedding));
  if (spec.input_width > 0) {
    AZ_RETURN_IF_ERROR(reader.read("decoder.input_projection", weights.input_projection));
    AZ_RETURN_IF_ERROR(reader.read("decoder.output_projection", weights.output_projection));
  }
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    AZ_ASSIGN_OR_RETURN(decoder::LayerWeights layer, load_layer(spec, i, reader));
    weights.layers.push_back(std::move(layer));
  }
  if (spec.per_layer_vocab > 0) {
    AZ_RETURN_IF_ERROR(reader.read("decoder.per_layer_embedding", weights.per_layer_embedding));
    AZ_RETURN_IF_ERROR(reader.read("decoder.per_layer_projection", weights.per_layer_projection));
    AZ_RETURN_IF_ERROR(read_norm(spec, "decoder.per_layer_norm", reader, weights.per_layer_norm));
  }
  AZ_RETURN_IF_ERROR(
      read_norm(spec, spec.final_norm, "decoder.final_norm", reader, weights.final_norm, weights.final_norm_bias));
  AZ_RETURN_IF_ERROR(read_head(spec, reader, weights.head));
  if (!spec.media_token_ids.empty()) AZ_RETURN_IF_ERROR(reader.read("decoder.media_tokens", weights.media_tokens));
  return weights;
}

Result<vision::TowerWeights> load_tower_weights(const VisionSpec& spec, WeightReader& reader) {
  vision::TowerWeights weights;
  AZ_RETURN_IF_ERROR(reader.read("tower.patch", weights.patch));
  if (spec.class_tokens > 0) AZ_RETURN_IF_ERROR(reader.read("tower.class_tokens", weights.class_tokens));
  if (spec.learned_side > 0) AZ_RETURN_IF_ERROR(reader.read("tower.learned_grid", weights.learned_grid));
  if (spec.learned_axis_rows > 0) AZ_RETURN_IF_ERROR(reader.read("tower.learned_axes", weights.learned_axes));
  if (spec.patch_norm) AZ_RETURN_IF_ERROR(read_norm("tower.patch_norm", reader, weights.patch_norm));
  if (spec.pre_norm) AZ_RETURN_IF_ERROR(read_norm("tower.pre_norm", reader, weights.pre_norm));
  if (spec.final_norm) AZ_RETURN_IF_ERROR(read_norm("tower.final_norm", reader, weights.final_norm));
  if (reader.in_map("tower.newline")) AZ_RETURN_IF_ERROR(reader.read("tower.newline", weights.newline));
  if (spec.canvas) AZ_RETURN_IF_ERROR(read_canvas(reader, weights.canvas));
  for (int i = 0; i < spec.layers + (spec.canvas ? spec.canvas->global_layers : 0); ++i) {
    const std::string slot = "tower.layers." + std::to_string(i) + ".";
    AZ_ASSIGN_OR_RETURN(vision::TowerLayerWeights layer, load_tower_layer(spec, slot, reader));
    if (i >= spec.layers) AZ_RETURN_IF_ERROR(read_tower_gates(spec, slot, reader, layer));
    weights.layers.push_back(std::move(layer));
  }
  AZ_RETURN_IF_ERROR(read_projector("tower.projector.", reader, weights.projector));
  if (spec.projector.q_former) {
    AZ_RETURN_IF_ERROR(read_q_former(*spec.projector.q_former, "tower.projector.", reader, weights.projector.q_former));
  }
  if (spec.projector.norm_plus_one) add_one(weights.projector.norm.weight);
  if (const auto& perceiver = spec.projector.perceiver) {
    AZ_RETURN_IF_ERROR(read_perceiver(*perceiver, "tower.projector.", reader, weights.projector.perceiver));
  }
  for (size_t level = 0; level < spec.deepstack.size(); ++level) {
    weights.deepstack.emplace_back();
    AZ_RETURN_IF_ERROR(
        read_projector("tower.deepstack." + std::to_string(level) + ".", reader, weights.deepstack.back()));
  }
  return weights;
}

}  // namespace

Result<ModelWeights> load_model_weights(const ModelSpec& spec, WeightReader& reader) {
  ModelWeights weights;
  AZ_ASSIGN_OR_RETURN(weights.decoder, load_decoder_weights(spec.text, reader));
  if (spec.text.learned_positions > 0) AZ_RETURN_IF_ERROR(reader.read("decoder.positions", weights.positions));
  if (!spec.vision) return weights;
  AZ_ASSIGN_OR_RETURN(weights.tower, load_tower_weights(*spec.vision, reader));
  return weights;
}

}  // namespace azimuth::engine
