// Idefics2 (arXiv 2405.02246; transformers: Idefics2Config): an Idefics tower, a gated MLP and a perceiver resampler,
// and Mistral.
#include "models/parts/config_keys.h"
#include "models/parts/idefics.h"
#include "models/parts/vit_tower.h"
#include "models/parts/weight_names.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

constexpr int64_t kMaxWidth = int64_t{1} << 20;
constexpr int64_t kMlpFactor = 4;  // width of a perceiver layer's MLP, in widths of the decoder

Result<VisionSpec> read_vision(const JsonView& config) {
  return read_idefics_tower(config, 768, 12);
}

Result<ProjectorSpec> read_perceiver(const JsonView& config, const TextSpec& text) {
  ProjectorSpec projector{.kind = ProjectorKind::perceiver, .merge = 1, .output = text.hidden};
  projector.activation = text.layers[0].activation;
  PerceiverSpec perceiver;
  AZ_ASSIGN_OR_RETURN(const int64_t queries, config.integer_or("resampler_n_latents", 64, 1, kMaxWidth));
  AZ_ASSIGN_OR_RETURN(const int64_t layers, config.integer_or("resampler_depth", 3, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const int64_t heads, config.integer_or("resampler_n_heads", 16, 1, 4096));
  AZ_ASSIGN_OR_RETURN(const int64_t kv_heads, config.integer_or("num_key_value_heads", 4, 1, 4096));
  AZ_ASSIGN_OR_RETURN(const int64_t head_dim, config.integer_or("resampler_head_dim", 96, 1, 512));
  AZ_ASSIGN_OR_RETURN(const int64_t width, config.integer_or("hidden_size", 4096, 1, kMaxWidth));
  AZ_ASSIGN_OR_RETURN(const double eps, config.number_or("rms_norm_eps", 1e-6, 0.0, 1.0));
  AZ_ASSIGN_OR_RETURN(perceiver.activation, read_activation(config, "hidden_act", "silu"));
  if (heads % kv_heads != 0) {
    return invalid_argument(config.where() +
                            " expected resampler_n_heads to be a multiple of num_key_value_heads, found " +
                            std::to_string(heads) + " and " + std::to_string(kv_heads));
  }
  perceiver.layers = static_cast<int>(layers);
  perceiver.heads = static_cast<int>(heads);
  perceiver.kv_heads = static_cast<int>(kv_heads);
  perceiver.head_dim = static_cast<int>(head_dim);
  projector.queries = static_cast<int>(queries);
  // A width that is not the decoder's is a default that nobody set: the decoder's width and epsilon count.
  projector.norm_eps = width == text.hidden ? static_cast<float>(eps) : text.final_norm_eps;
  projector.perceiver = perceiver;
  return projector;
}

void add_connector_weights(const ModelSpec& spec, WeightMap& map) {
  const NameSet names(idefics_connector());
  const ProjectorSpec& projector = spec.vision->projector;
  const PerceiverSpec& perceiver = *projector.perceiver;
  const int64_t width = projector.output;
  const int64_t tower = spec.vision->hidden;
  const int64_t inner = spec.text.layers[0].intermediate;
  names.add_linear(map, "tower.projector.gate", "modality_projection.gate_proj", inner, tower, false);
  names.add_linear(map, "tower.projector.up", "modality_projection.up_proj", inner, tower, false);
  names.add_linear(map, "tower.projector.down", "modality_projection.down_proj", width, inner, false);
  names.add(map, "tower.projector.latents", "perceiver_resampler.latents", {projector.queries, width});
  names.add(map, "tower.projector.final_norm", "perceiver_resampler.norm.weight", {width});
  const int64_t query = int64_t{perceiver.heads} * perceiver.head_dim;
  const int64_t key = int64_t{perceiver.kv_heads} * perceiver.head_dim;
  for (int i = 0; i < perceiver.layers; ++i) {
    const std::string slot = "tower.projector.layers." + std::to_string(i) + ".";
    const std::string name = "perceiver_resampler.layers." + std::to_string(i) + ".";
    names.add(map, slot + "latents_norm", name + "input_latents_norm.weight", {width});
    names.add(map, slot + "context_norm", name + "input_context_norm.weight", {width});
    names.add_linear(map, slot + "query", name + "self_attn.q_proj", query, width, false);
    names.add_stacked_linear(map, slot + "key_value", {name + "self_attn.k_proj", name + "self_attn.v_proj"},
                             {key, key}, width, false);
    names.add_linear(map, slot + "output", name + "self_attn.o_proj", width, query, false);
    names.add(map, slot + "mlp_norm", name + "post_attention_layernorm.weight", {width});
    names.add_linear(map, slot + "gate", name + "mlp.gate_proj", kMlpFactor * width, width, false);
    names.add_linear(map, slot + "up", name + "mlp.up_proj", kMlpFactor * width, width, false);
    names.add_linear(map, slot + "down", name + "mlp.down_proj", width, kMlpFactor * width, false);
  }
}

Result<ModelSpec> read_model(const JsonView& config) {
  ModelSpec spec;
  AZ_RETURN_IF_ERROR(read_idefics_parts(config, "mistral", "idefics2_vision", spec));
  AZ_ASSIGN_OR_RETURN(const JsonView perceiver, config.object("perceiver_config"));
  AZ_ASSIGN_OR_RETURN(spec.vision->projector, read_perceiver(perceiver, spec.text));
  add_connector_weights(spec, spec.weights);
  spec.prompt.image = {.expansion = PromptExpansion::marked_tiles,
                       .placeholder = std::string(kIdeficsImage),
                       .start = std::string(kIdeficsMarker),
                       .end = std::string(kIdeficsMarker)};
  spec.prompt.image.joins_markers = true;
  spec.tokenizer_class = "LlamaTokenizer";
  return spec;
}

}  // namespace

VisionPart idefics2_vision() {
  return {"idefics2_vision", read_vision, add_vit_tower_weights};
}
Family idefics2() {
  return {"idefics2", read_model, "idefics2-8b",
          R"({"model_type": "idefics2",
              "text_config": {"model_type": "mistral", "hidden_size": 4096, "num_hidden_layers": 32,
                              "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 32768,
                              "rope_theta": 10000.0, "sliding_window": 4096},
              "vision_config": {"model_type": "idefics2", "hidden_size": 1152, "num_attention_heads": 16,
                                "num_hidden_layers": 27, "intermediate_size": 4304, "image_size": 980, "patch_size": 14},
              "perceiver_config": {"model_type": "idefics2"}})"};
}

}  // namespace azimuth::models
