// BLIP-2 (arXiv 2301.12597; transformers: Blip2Config): a ViT, a Q-Former whose learned queries read it, and a language
// model that gets the queries' outputs in front of its prompt.
#include "models/parts/config_keys.h"
#include "models/parts/weight_names.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

constexpr int64_t kMaxWidth = int64_t{1} << 20;

Result<VisionSpec> read_vision(const JsonView& config) {
  VisionSpec vision;
  AZ_ASSIGN_OR_RETURN(const int64_t layers, config.integer_or("num_hidden_layers", 39, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const int64_t hidden, config.integer_or("hidden_size", 1408, 1, kMaxWidth));
  AZ_ASSIGN_OR_RETURN(const int64_t heads, config.integer_or("num_attention_heads", 16, 1, 4096));
  AZ_ASSIGN_OR_RETURN(const int64_t intermediate, config.integer_or("intermediate_size", 6144, 1, kMaxWidth));
  AZ_ASSIGN_OR_RETURN(const int64_t image, read_square(config, "image_size", 224, 1, 1 << 16));
  AZ_ASSIGN_OR_RETURN(const int64_t patch, read_square(config, "patch_size", 14, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const double eps, config.number_or("layer_norm_eps", 1e-6, 0.0, 1.0));
  AZ_ASSIGN_OR_RETURN(vision.qkv_bias, config.boolean_or("qkv_bias", true));
  AZ_ASSIGN_OR_RETURN(vision.activation, read_activation(config, "hidden_act", "gelu"));
  if (hidden % heads != 0 || image < patch) {
    return invalid_argument(config.where() +
                            " expected hidden_size to be a multiple of num_attention_heads and image_size of at least "
                            "one patch, found hidden_size " +
                            std::to_string(hidden) + ", " + std::to_string(heads) + " heads, image_size " +
                            std::to_string(image) + ", patch_size " + std::to_string(patch));
  }
  vision.layers = static_cast<int>(layers);
  vision.hidden = static_cast<int>(hidden);
  vision.heads = static_cast<int>(heads);
  vision.head_dim = static_cast<int>(hidden / heads);
  vision.intermediate = static_cast<int>(intermediate);
  vision.norm_eps = static_cast<float>(eps);
  vision.final_norm = true;
  vision.patch = static_cast<int>(patch);
  vision.order = PatchOrder::raster;
  vision.class_tokens = 1;
  vision.class_positions = true;
  vision.class_features = true;
  vision.learned_side = static_cast<int>(image / patch);
  vision.learned_rows = 1 + int64_t{vision.learned_side} * vision.learned_side;
  vision.resample = GridResample::fixed;
  return vision;
}

// The Q-Former and the projection behind it.
Result<ProjectorSpec> read_projector(const JsonView& config, int output) {
  AZ_ASSIGN_OR_RETURN(const int64_t queries, config.integer_or("num_query_tokens", 32, 1, kMaxWidth));
  AZ_ASSIGN_OR_RETURN(const JsonView former, config.object("qformer_config"));
  QFormerSpec spec;
  AZ_ASSIGN_OR_RETURN(const int64_t layers, former.integer_or("num_hidden_layers", 12, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const int64_t hidden, former.integer_or("hidden_size", 768, 1, kMaxWidth));
  AZ_ASSIGN_OR_RETURN(const int64_t heads, former.integer_or("num_attention_heads", 12, 1, 4096));
  AZ_ASSIGN_OR_RETURN(const int64_t intermediate, former.integer_or("intermediate_size", 3072, 1, kMaxWidth));
  AZ_ASSIGN_OR_RETURN(const int64_t every, former.integer_or("cross_attention_frequency", 2, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const double eps, former.number_or("layer_norm_eps", 1e-12, 0.0, 1.0));
  AZ_ASSIGN_OR_RETURN(spec.activation, read_activation(former, "hidden_act", "gelu"));
  if (hidden % heads != 0) {
    return invalid_argument(former.where() + " expected hidden_size to be a multiple of num_attention_heads, found " +
                            std::to_string(hidden) + " and " + std::to_string(heads));
  }
  spec.layers = static_cast<int>(layers);
  spec.hidden = static_cast<int>(hidden);
  spec.heads = static_cast<int>(heads);
  spec.intermediate = static_cast<int>(intermediate);
  spec.cross_every = static_cast<int>(every);
  spec.norm_eps = static_cast<float>(eps);
  ProjectorSpec projector;
  projector.kind = ProjectorKind::q_former;
  projector.merge = 1;
  projector.output = output;
  projector.queries = static_cast<int>(queries);
  projector.q_former = spec;
  return projector;
}

void add_vision_weights(const VisionSpec& vision, const std::vector<std::string>& prefixes, WeightMap& map) {
  const NameSet names(prefixes);
  const int64_t hidden = vision.hidden;
  names.add(map, "tower.patch.weight", "embeddings.patch_embedding.weight",
            {hidden, vision.channels, vision.patch, vision.patch}, Transform::flatten);
  names.add(map, "tower.patch.bias", "embeddings.patch_embedding.bias", {hidden});
  names.add(map, "tower.class_tokens", "embeddings.class_embedding", {1, 1, hidden}, Transform::drop_first);
  names.add(map, "tower.learned_grid", "embeddings.position_embedding", {1, vision.learned_rows, hidden},
            Transform::drop_first);
  names.add_norm(map, "tower.final_norm", "post_layernorm", hidden);
  for (int i = 0; i < vision.layers; ++i) {
    const std::string slot = "tower.layers." + std::to_string(i) + ".";
    const std::string name = "encoder.layers." + std::to_string(i) + ".";
    names.add_norm(map, slot + "attention_norm", name + "layer_norm1", hidden);
    names.add_linear(map, slot + "qkv", name + "self_attn.qkv", 3 * hidden, hidden, vision.qkv_bias);
    names.add_linear(map, slot + "output", name + "self_attn.projection", hidden, hidden, true);
    names.add_norm(map, slot + "mlp_norm", name + "layer_norm2", hidden);
    names.add_linear(map, slot + "up", name + "mlp.fc1", vision.intermediate, hidden, true);
    names.add_linear(map, slot + "down", name + "mlp.fc2", hidden, vision.intermediate, true);
  }
}

// One attention of the Q-Former, over rows of `width` channels.
void add_attention_weights(const QFormerSpec& spec, const std::string& slot, const std::string& name, int64_t width,
                           const NameSet& names, WeightMap& map) {
  names.add_linear(map, slot + "query", name + "attention.query", spec.hidden, spec.hidden, true);
  names.add_linear(map, slot + "key", name + "attention.key", spec.hidden, width, true);
  names.add_linear(map, slot + "value", name + "attention.value", spec.hidden, width, true);
  names.add_linear(map, slot + "output", name + "output.dense", spec.hidden, spec.hidden, true);
  names.add_norm(map, slot + "norm", name + "output.LayerNorm", spec.hidden);
}

void add_projector_weights(const VisionSpec& vision, WeightMap& map) {
  const ProjectorSpec& projector = vision.projector;
  const QFormerSpec& spec = *projector.q_former;
  const NameSet names({"", "model."});
  names.add(map, "tower.projector.queries", "query_tokens", {1, projector.queries, spec.hidden}, Transform::drop_first);
  names.add_norm(map, "tower.projector.norm", "qformer.layernorm", spec.hidden);
  names.add_linear(map, "tower.projector.first", "language_projection", projector.output, spec.hidden, true);
  for (int i = 0; i < spec.layers; ++i) {
    const std::string slot = "tower.projector.layers." + std::to_string(i) + ".";
    const std::string name = "qformer.encoder.layer." + std::to_string(i) + ".";
    add_attention_weights(spec, slot + "self.", name + "attention.", spec.hidden, names, map);
    if (spec.has_cross(i)) {
      add_attention_weights(spec, slot + "cross.", name + "crossattention.", vision.hidden, names, map);
    }
    names.add_linear(map, slot + "up", name + "intermediate_query.dense", spec.intermediate, spec.hidden, true);
    names.add_linear(map, slot + "down", name + "output_query.dense", spec.hidden, spec.intermediate, true);
    names.add_norm(map, slot + "mlp_norm", name + "output_query.LayerNorm", spec.hidden);
  }
}

Result<ModelSpec> read_model(const JsonView& config) {
  ModelSpec spec;
  AZ_ASSIGN_OR_RETURN(const JsonView text_config, config.object("text_config"));
  AZ_ASSIGN_OR_RETURN(const std::string text_type, text_config.string_or("model_type", "opt"));
  AZ_ASSIGN_OR_RETURN(const TextPart* text, find_text_part(text_type));
  AZ_ASSIGN_OR_RETURN(spec.text, text->read(text_config));
  if (spec.text.input_width > 0) {
    return unsupported("config.json expected a language model whose embeddings are as wide as its layers, found " +
                       std::to_string(spec.text.input_width) + " and " + std::to_string(spec.text.hidden) +
                       "; features of pictures cannot take the place of narrower embeddings");
  }
  AZ_ASSIGN_OR_RETURN(const JsonView vision_config, config.object("vision_config"));
  AZ_ASSIGN_OR_RETURN(const VisionPart* vision, find_vision_part("blip_2_vision_model"));
  AZ_ASSIGN_OR_RETURN(spec.vision, vision->read(vision_config));
  AZ_ASSIGN_OR_RETURN(spec.vision->projector, read_projector(config, spec.text.hidden));
  text->add_weights(spec.text, {"language_model.model.", "model.language_model.model."},
                    {"language_model.lm_head.weight", "lm_head.weight"}, spec.weights);
  vision->add_weights(*spec.vision, {"vision_model.", "model.vision_model."}, spec.weights);
  add_projector_weights(*spec.vision, spec.weights);
  spec.prompt.image = {.expansion = PromptExpansion::per_cell, .placeholder = "<image>"};
  spec.prompt.frame = PromptFrame::media_before_text;
  spec.prompt.adds_bos_to_chat = true;
  spec.tokenizer_class = "GPT2Tokenizer";
  return spec;
}

}  // namespace

VisionPart blip_2_vision() {
  return {"blip_2_vision_model", read_vision, add_vision_weights};
}
Family blip_2() {
  return {"blip-2", read_model, "blip2-opt-2.7b",
          R"({"model_type": "blip-2", "num_query_tokens": 32,
              "text_config": {"model_type": "opt", "hidden_size": 2560, "num_hidden_layers": 32,
                              "num_attention_heads": 32, "ffn_dim": 10240, "max_position_embeddings": 2048,
                              "word_embed_proj_dim": 2560, "vocab_size": 50304},
              "vision_config": {"model_type": "blip_2_vision_model"},
              "qformer_config": {"model_type": "blip_2_qformer"}})"};
}

}  // namespace azimuth::models
