// Llama 3.2 Vision (mllama; arXiv 2407.21783, section 7; transformers: MllamaConfig): the Llama 3 decoder, between
// whose layers stand gated ones that attend to the picture (Flamingo, arXiv 2204.14198), and a tower over a canvas of
// tiles.
#include <algorithm>
#include <numeric>

#include "models/parts/config_keys.h"
#include "models/parts/dense_decoder.h"
#include "models/parts/weight_names.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

constexpr int64_t kMaxWidth = int64_t{1} << 20;
constexpr int64_t kMaxTiles = 64;
constexpr int64_t kExtraEmbeddings = 8;  // the class's own

// ---- text

Result<TextSpec> read_text(const JsonView& config) {
  AZ_ASSIGN_OR_RETURN(TextSpec text, read_dense_decoder(config, {.vocab = 128256,
                                                                 .intermediate = 14336,
                                                                 .layers = 40,
                                                                 .kv_heads = 8,
                                                                 .context = 131072,
                                                                 .theta = 500000.0,
                                                                 .reads_attention_bias = false}));
  AZ_ASSIGN_OR_RETURN(const double eps, config.number_or("rms_norm_eps", 1e-5, 0.0, 1.0));
  for (LayerSpec& layer : text.layers) layer.norm_eps = static_cast<float>(eps);
  text.final_norm_eps = static_cast<float>(eps);
  std::vector<int64_t> cross = {3, 8, 13, 18, 23, 28, 33, 38};
  if (config.has("cross_attention_layers")) {
    AZ_ASSIGN_OR_RETURN(cross, config.integers("cross_attention_layers", 0, 1024));
  }
  for (const int64_t index : cross) {
    if (index >= static_cast<int64_t>(text.layers.size())) continue;  // the reference asks for the layers that it has
    LayerSpec& layer = text.layers[static_cast<size_t>(index)];
    layer.mixer = MixerKind::cross_attention;
    layer.qk_norm = true;
    layer.rope = -1;
  }
  if (std::ranges::all_of(text.layers, [](const auto& layer) { return layer.mixer == MixerKind::cross_attention; })) {
    return invalid_argument(config.where() +
                            " expected cross_attention_layers to leave a layer that attends to text, found all " +
                            std::to_string(text.layers.size()) + " of them");
  }
  text.extra_embeddings = kExtraEmbeddings;
  text.tied_head = false;  // the class ties nothing, whatever the config says
  return text;
}

void add_text_weights(const TextSpec& text, const std::vector<std::string>& prefixes,
                      const std::vector<std::string>& heads, WeightMap& map) {
  add_dense_decoder_weights(text, prefixes, heads, map);
  const NameSet names(prefixes);
  names.add(map, "decoder.embedding", "embed_tokens.weight", {text.vocab + text.extra_embeddings, text.hidden});
  for (size_t i = 0; i < text.layers.size(); ++i) {
    const LayerSpec& layer = text.layers[i];
    if (layer.mixer != MixerKind::cross_attention) continue;
    const std::string slot = "decoder.layers." + std::to_string(i) + ".";
    const std::string name = "layers." + std::to_string(i) + ".";
    const int64_t query = int64_t{layer.heads} * layer.head_dim;
    const int64_t key = int64_t{layer.kv_heads} * layer.head_dim;
    names.add_linear(map, slot + "query", name + "cross_attn.q_proj", query, text.hidden, false);
    names.add_linear(map, slot + "key", name + "cross_attn.k_proj", key, text.hidden, false);
    names.add_linear(map, slot + "value", name + "cross_attn.v_proj", key, text.hidden, false);
    names.add_linear(map, slot + "output", name + "cross_attn.o_proj", text.hidden, query, false);
    names.add(map, slot + "query_norm", name + "cross_attn.q_norm.weight", {layer.head_dim});
    names.add(map, slot + "key_norm", name + "cross_attn.k_norm.weight", {layer.head_dim});
    names.add(map, slot + "attention_gate", name + "cross_attn_attn_gate", {1});
    names.add(map, slot + "mlp_gate", name + "cross_attn_mlp_gate", {1});
  }
}

// ---- tower

// Canvases of at most `tiles` tiles.
int64_t canvases(int64_t tiles) {
  int64_t count = 0;
  for (int64_t rows = 1; rows <= tiles; ++rows) count += tiles / rows;
  return count;
}

Status read_encoders(const JsonView& config, VisionSpec& vision) {
  AZ_ASSIGN_OR_RETURN(const int64_t layers, config.integer_or("num_hidden_layers", 32, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const int64_t global, config.integer_or("num_global_layers", 8, 0, 1024));
  AZ_ASSIGN_OR_RETURN(const int64_t hidden, config.integer_or("hidden_size", 1280, 1, kMaxWidth));
  AZ_ASSIGN_OR_RETURN(const int64_t attention_heads, config.integer_or("num_attention_heads", 16, 1, 4096));
  AZ_ASSIGN_OR_RETURN(const int64_t heads, config.integer_or("attention_heads", attention_heads, 1, 4096));
  AZ_ASSIGN_OR_RETURN(const int64_t intermediate, config.integer_or("intermediate_size", 5120, 1, kMaxWidth));
  AZ_ASSIGN_OR_RETURN(const double eps, config.number_or("norm_eps", 1e-5, 0.0, 1.0));
  AZ_ASSIGN_OR_RETURN(vision.activation, read_activation(config, "hidden_act", "gelu"));
  if (hidden % heads != 0) {
    return invalid_argument(config.where() + " expected hidden_size to be a multiple of attention_heads, found " +
                            std::to_string(hidden) + " and " + std::to_string(heads));
  }
  vision.layers = static_cast<int>(layers);
  vision.hidden = static_cast<int>(hidden);
  vision.heads = static_cast<int>(heads);
  vision.head_dim = static_cast<int>(hidden / heads);
  vision.intermediate = static_cast<int>(intermediate);
  vision.norm_eps = static_cast<float>(eps);
  vision.qkv_bias = false;
  vision.pre_norm = vision.final_norm = true;
  vision.canvas = CanvasSpec{};
  vision.canvas->global_layers = static_cast<int>(global);
  return ok_status();
}

Status read_tiles(const JsonView& config, VisionSpec& vision) {
  AZ_ASSIGN_OR_RETURN(const int64_t channels, config.integer_or("num_channels", 3, 3, 3));
  AZ_ASSIGN_OR_RETURN(const int64_t image, read_square(config, "image_size", 448, 1, 1 << 16));
  AZ_ASSIGN_OR_RETURN(const int64_t patch, read_square(config, "patch_size", 14, 1, 1024));
  AZ_ASSIGN_OR_RETURN(const int64_t tiles, config.integer_or("max_num_tiles", 4, 1, kMaxTiles));
  if (image < patch) {
    return invalid_argument(config.where() + " expected image_size of at least one patch, found " +
                            std::to_string(image) + " and patch_size " + std::to_string(patch));
  }
  vision.channels = static_cast<int>(channels);
  vision.patch = static_cast<int>(patch);
  vision.order = PatchOrder::raster;
  vision.class_tokens = 1;
  vision.class_positions = true;
  vision.learned_side = static_cast<int>(image / patch);
  vision.learned_rows = 1 + int64_t{vision.learned_side} * vision.learned_side;
  vision.canvas->tiles = static_cast<int>(tiles);
  if (!config.has("supported_aspect_ratios")) return ok_status();
  AZ_ASSIGN_OR_RETURN(const JsonView ratios, config.at("supported_aspect_ratios"));
  AZ_ASSIGN_OR_RETURN(const std::vector<JsonView> list, ratios.items());
  if (static_cast<int64_t>(list.size()) == canvases(tiles)) return ok_status();
  return invalid_argument(config.where() + " expected supported_aspect_ratios to list the " +
                          std::to_string(canvases(tiles)) + " canvases of at most " + std::to_string(tiles) +
                          " tiles, found " + std::to_string(list.size()));
}

// Layers whose outputs the decoder reads beside the last one's; negative numbers count from the end.
Status read_chosen_layers(const JsonView& config, VisionSpec& vision) {
  std::vector<int64_t> chosen = {3, 7, 15, 23, 30};
  if (config.has("intermediate_layers_indices")) {
    AZ_ASSIGN_OR_RETURN(chosen, config.integers("intermediate_layers_indices", -1024, 1024));
  }
  for (const int64_t index : chosen) {
    const int64_t layer = index < 0 ? index + vision.layers : index;
    if (layer < 0 || layer >= vision.layers) {
      return out_of_range(config.where() + " expected intermediate_layers_indices below num_hidden_layers " +
                          std::to_string(vision.layers) + ", found " + std::to_string(index));
    }
    vision.feature_layers.push_back(static_cast<int>(layer));
  }
  const int64_t width = vision.hidden * (1 + static_cast<int64_t>(chosen.size()));
  AZ_ASSIGN_OR_RETURN(const int64_t output, config.integer_or("vision_output_dim", 7680, 1, kMaxWidth));
  if (output == width) return ok_status();
  return invalid_argument(config.where() + " expected vision_output_dim " + std::to_string(width) +
                          " for the hidden size and the layers that are read, found " + std::to_string(output));
}

Result<VisionSpec> read_vision(const JsonView& config) {
  VisionSpec vision;
  AZ_RETURN_IF_ERROR(read_encoders(config, vision));
  AZ_RETURN_IF_ERROR(read_tiles(config, vision));
  AZ_RETURN_IF_ERROR(read_chosen_layers(config, vision));
  vision.arrangement = FeatureArrangement::cross_attended;
  vision.projector.kind = ProjectorKind::linear;
  vision.projector.merge = 1;
  return vision;
}

void add_encoder_weights(const VisionSpec& vision, const NameSet& names, WeightMap& map) {
  const int64_t hidden = vision.hidden;
  for (int i = 0; i < vision.layers + vision.canvas->global_layers; ++i) {
    const bool global = i >= vision.layers;
    const std::string slot = "tower.layers." + std::to_string(i) + ".";
    const std::string name = (global ? "global_transformer.layers." + std::to_string(i - vision.layers)
                                     : "transformer.layers." + std::to_string(i)) +
                             ".";
    names.add_norm(map, slot + "attention_norm", name + "input_layernorm", hidden);
    names.add_stacked_linear(map, slot + "qkv",
                             {name + "self_attn.q_proj", name + "self_attn.k_proj", name + "self_attn.v_proj"},
                             {hidden, hidden, hidden}, hidden, false);
    names.add_linear(map, slot + "output", name + "self_attn.o_proj", hidden, hidden, false);
    names.add_norm(map, slot + "mlp_norm", name + "post_attention_layernorm", hidden);
    names.add_linear(map, slot + "up", name + "mlp.fc1", vision.intermediate, hidden, true);
    names.add_linear(map, slot + "down", name + "mlp.fc2", hidden, vision.intermediate, true);
    if (!global) continue;
    names.add(map, slot + "attention_gate", name + "gate_attn", {1});
    names.add(map, slot + "mlp_gate", name + "gate_ffn", {1});
  }
}

void add_vision_weights(const VisionSpec& vision, const std::vector<std::string>& prefixes, WeightMap& map) {
  const NameSet names(prefixes);
  const int64_t hidden = vision.hidden;
  const int64_t places = vision.canvas->tiles;
  const int64_t ratios = canvases(places) + 1;  // row 0 is for batches that lack a picture
  names.add(map, "tower.patch.weight", "patch_embedding.weight", {hidden, vision.channels, vision.patch, vision.patch},
            Transform::flatten);
  names.add(map, "tower.class_tokens", "class_embedding", {hidden});
  names.add(map, "tower.learned_grid", "gated_positional_embedding.embedding", {vision.learned_rows, hidden});
  names.add(map, "tower.canvas.position_gate", "gated_positional_embedding.gate", {1});
  names.add(map, "tower.canvas.tile_positions", "gated_positional_embedding.tile_embedding.weight",
            {ratios, places * vision.learned_rows * hidden});
  names.add(map, "tower.canvas.tiles_before", "pre_tile_positional_embedding.embedding.weight",
            {ratios, places * hidden});
  names.add(map, "tower.canvas.gate_before", "pre_tile_positional_embedding.gate", {1});
  names.add(map, "tower.canvas.tiles_between", "post_tile_positional_embedding.embedding.weight",
            {ratios, places * hidden});
  names.add(map, "tower.canvas.gate_between", "post_tile_positional_embedding.gate", {1});
  names.add_norm(map, "tower.pre_norm", "layernorm_pre", hidden);
  names.add_norm(map, "tower.final_norm", "layernorm_post", hidden);
  add_encoder_weights(vision, names, map);
}

// ---- both

Result<ModelSpec> read_model(const JsonView& config) {
  ModelSpec spec;
  AZ_ASSIGN_OR_RETURN(const JsonView text_config, config.object("text_config"));
  AZ_ASSIGN_OR_RETURN(const TextPart* text, find_text_part("mllama_text_model"));
  AZ_ASSIGN_OR_RETURN(spec.text, text->read(text_config));
  AZ_ASSIGN_OR_RETURN(const JsonView vision_config, config.object("vision_config"));
  AZ_ASSIGN_OR_RETURN(const VisionPart* vision, find_vision_part("mllama_vision_model"));
  AZ_ASSIGN_OR_RETURN(spec.vision, vision->read(vision_config));
  spec.vision->projector.output = spec.text.hidden;
  text->add_weights(spec.text, {"model.language_model.", "language_model.model."},
                    {"lm_head.weight", "language_model.lm_head.weight"}, spec.weights);
  vision->add_weights(*spec.vision, {"model.vision_model.", "vision_model."}, spec.weights);
  NameSet({"model.", ""})
      .add_linear(spec.weights, "tower.projector.first", "multi_modal_projector", spec.text.hidden,
                  spec.vision->hidden * (1 + static_cast<int64_t>(spec.vision->feature_layers.size())), true);
  spec.prompt.image = {.expansion = PromptExpansion::per_cell, .placeholder = "<|image|>"};
  spec.prompt.frame = PromptFrame::bos_behind_media;
  spec.prompt.adds_bos_to_chat = true;
  return spec;
}

}  // namespace

TextPart mllama_text() {
  return {"mllama_text_model", read_text, add_text_weights};
}
VisionPart mllama_vision() {
  return {"mllama_vision_model", read_vision, add_vision_weights};
}
Family mllama() {
  return {"mllama", read_model, "Llama-3.2-11B-Vision",
          R"({"model_type": "mllama",
              "text_config": {"model_type": "mllama_text_model", "hidden_size": 4096, "num_hidden_layers": 40,
                              "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
                              "max_position_embeddings": 131072, "rope_theta": 500000.0,
                              "cross_attention_layers": [3, 8, 13, 18, 23, 28, 33, 38],
                              "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                                               "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}},
              "vision_config": {"model_type": "mllama_vision_model", "image_size": 560}})"};
}

}  // namespace azimuth::models
