// Configs of both generations of transformers read as the same spec, and every family keeps the registry's promises.
#include "models/families.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "positions/policy.h"

namespace azimuth::models {
namespace {

using nlohmann::json;

ModelSpec read(const json& config) {
  Result<ModelSpec> spec = read_model_spec(JsonView(config, "config.json"));
  EXPECT_TRUE(spec.ok()) << spec.status().message();
  return std::move(*spec);
}

std::string failure(const json& config) {
  const Result<ModelSpec> spec = read_model_spec(JsonView(config, "config.json"));
  EXPECT_FALSE(spec.ok());
  return spec.ok() ? "" : spec.status().message();
}

json small_text(const std::string& model_type) {
  return {{"model_type", model_type},
          {"vocab_size", 300},
          {"hidden_size", 48},
          {"intermediate_size", 70},
          {"num_hidden_layers", 3},
          {"num_attention_heads", 6},
          {"num_key_value_heads", 2},
          {"head_dim", 20},
          {"max_position_embeddings", 999},
          {"rms_norm_eps", 1e-5},
          {"tie_word_embeddings", true}};
}

json small_vl() {
  json text = small_text("qwen3_vl_text");
  text["rope_parameters"] = {
      {"rope_theta", 5e6}, {"rope_type", "default"}, {"mrope_section", {4, 3, 3}}, {"mrope_interleaved", true}};
  return {{"model_type", "qwen3_vl"},
          {"tie_word_embeddings", false},
          {"text_config", text},
          {"vision_config",
           {{"model_type", "qwen3_vl_vision"},
            {"depth", 5},
            {"hidden_size", 32},
            {"num_heads", 2},
            {"intermediate_size", 60},
            {"patch_size", {10, 10}},
            {"temporal_patch_size", 2},
            {"spatial_merge_size", 3},
            {"out_hidden_size", 48},
            {"num_position_embeddings", 50},
            {"deepstack_visual_indexes", {3, 1, 7}}}}};
}

// Qwen2-VL and Qwen2.5-VL as published: the decoder's keys at the top.
json small_flat_vl(const std::string& model_type) {
  json config = small_text(model_type);
  config.erase("head_dim");  // hidden_size / num_attention_heads
  config["rope_scaling"] = {{"type", "mrope"}, {"mrope_section", {2, 1, 1}}};
  json vision = {{"depth", 3}, {"num_heads", 2}, {"patch_size", 14}, {"spatial_merge_size", 2}};
  if (model_type == "qwen2_vl") {
    vision.update({{"embed_dim", 32}, {"mlp_ratio", 2}, {"hidden_size", 48}});
  } else {
    vision.update({{"hidden_size", 32}, {"intermediate_size", 60}, {"out_hidden_size", 48}, {"window_size", 112}});
  }
  config["vision_config"] = vision;
  return config;
}

json small_vl_moe() {
  json config = small_vl();
  config["model_type"] = "qwen3_vl_moe";
  config["text_config"].update({{"model_type", "qwen3_vl_moe_text"}, {"num_experts", 4}, {"num_experts_per_tok", 2}});
  return config;
}

TEST(Families, BothGenerationsOfRopeKeysAreOneSpec) {
  json v5 = small_text("llama");
  v5["rope_parameters"] = {{"rope_theta", 3e5},       {"rope_type", "llama3"},
                           {"factor", 4.0},           {"low_freq_factor", 1.0},
                           {"high_freq_factor", 4.0}, {"original_max_position_embeddings", 64}};
  json v4 = small_text("llama");
  v4["rope_theta"] = 3e5;
  v4["rope_scaling"] = {{"type", "llama3"},
                        {"factor", 4.0},
                        {"low_freq_factor", 1.0},
                        {"high_freq_factor", 4.0},
                        {"original_max_position_embeddings", 64}};
  const RopeSpec a = read(v5).text.ropes[0];
  const RopeSpec b = read(v4).text.ropes[0];
  EXPECT_EQ(a.scaling, RopeScaling::llama3);
  EXPECT_EQ(b.scaling, a.scaling);
  EXPECT_EQ(b.theta, a.theta);
  EXPECT_EQ(b.factor, a.factor);
  EXPECT_EQ(b.original_max_positions, a.original_max_positions);
}

TEST(Families, Qwen3VlReadsItsTowerAndSection) {
  const ModelSpec spec = read(small_vl());
  EXPECT_EQ(spec.text.ropes[0].section, (std::vector<int>{4, 3, 3}));
  EXPECT_EQ(spec.text.ropes[0].theta, 5e6);
  EXPECT_EQ(spec.text.policy, "mrope_i");
  EXPECT_FALSE(spec.text.tied_head) << "the whole model's key decides, not the decoder's";
  ASSERT_TRUE(spec.vision.has_value());
  EXPECT_EQ(spec.vision->patch, 10);
  EXPECT_EQ(spec.vision->learned_side, 7);
  EXPECT_EQ(spec.vision->learned_rows, 50);
  // Levels feed decoder layers in the order in which the tower reaches them, with their own projectors; layer 7 never
  // runs.
  ASSERT_EQ(spec.vision->deepstack.size(), 2u);
  EXPECT_EQ(spec.vision->deepstack[0].tower_layer, 1);
  EXPECT_EQ(spec.vision->deepstack[0].weight_index, 1);
  EXPECT_EQ(spec.vision->deepstack[1].tower_layer, 3);
  EXPECT_EQ(spec.vision->deepstack[1].weight_index, 0);
}

TEST(Families, BiasesAndNormsFollowTheFamily) {
  json biased = small_text("llama");
  biased["attention_bias"] = true;
  biased["mlp_bias"] = true;
  const LayerSpec llama = read(biased).text.layers[0];
  EXPECT_TRUE(llama.qkv_bias && llama.output_bias && llama.mlp_bias && !llama.qk_norm);
  const LayerSpec qwen2 = read(small_text("qwen2")).text.layers[0];
  EXPECT_TRUE(qwen2.qkv_bias && !qwen2.output_bias && !qwen2.qk_norm);
  const LayerSpec qwen3 = read(small_text("qwen3")).text.layers[0];
  EXPECT_TRUE(!qwen3.qkv_bias && qwen3.qk_norm);
}

TEST(Families, SlidingWindowsFollowLayerTypesOrTheFirstWindowedLayer) {
  json config = small_text("qwen2");
  config["sliding_window"] = 9;
  EXPECT_EQ(read(config).text.layers[2].window, 0) << "use_sliding_window is off unless it is said";
  config["use_sliding_window"] = true;
  config["max_window_layers"] = 2;
  EXPECT_EQ(read(config).text.layers[1].window, 0);
  EXPECT_EQ(read(config).text.layers[2].window, 9);
  config["layer_types"] = {"sliding_attention", "full_attention", "full_attention"};
  EXPECT_EQ(read(config).text.layers[0].window, 9);
  EXPECT_EQ(read(config).text.layers[2].window, 0);
  config["layer_types"] = {"full_attention"};
  EXPECT_NE(failure(config).find("layer_types for 3 layers, found 1"), std::string::npos);
}

TEST(Families, EveryNthLayerOfQwen3_5Attends) {
  json config = small_text("qwen3_5_text");
  config["num_hidden_layers"] = 5;
  config["full_attention_interval"] = 2;
  config["partial_rotary_factor"] = 0.5;
  config["rope_parameters"] = {{"rope_type", "default"}, {"mrope_section", {3, 1, 1}}};
  const TextSpec text = read(config).text;
  for (size_t i = 0; i < text.layers.size(); ++i) {
    EXPECT_EQ(text.layers[i].mixer, i % 2 == 1 ? MixerKind::attention : MixerKind::linear_attention) << i;
  }
  EXPECT_EQ(text.ropes[0].rotary_dim, 10) << "of a head of 20";
  config["layer_types"] = {"full_attention", "chunked_attention"};
  EXPECT_NE(failure(config).find("chunked_attention"), std::string::npos);
  config.erase("layer_types");
  config["linear_num_value_heads"] = 3;
  config["linear_num_key_heads"] = 2;
  EXPECT_NE(failure(config).find("found 3 and 2"), std::string::npos);
}

TEST(Families, ErrorsNameTheKey) {
  json config = small_vl();
  config["vision_config"]["out_hidden_size"] = 40;
  EXPECT_NE(failure(config).find("out_hidden_size equal to text_config.hidden_size, found 40 and 48"),
            std::string::npos);
  config = small_vl();
  config["vision_config"]["num_heads"] = 3;
  EXPECT_NE(failure(config).find("multiple of 4 * num_heads"), std::string::npos);
  config = small_text("llama");
  config["num_key_value_heads"] = 4;
  EXPECT_NE(failure(config).find("divisible by num_key_value_heads"), std::string::npos);
  config = small_text("llama");
  config["rope_scaling"] = {{"rope_type", "stretched"}, {"factor", 2.0}};
  EXPECT_NE(failure(config).find("\"stretched\""), std::string::npos);
  config = small_text("llama");
  config["hidden_act"] = "mish";
  EXPECT_NE(failure(config).find("\"mish\""), std::string::npos);
}

TEST(Families, FlatAndNestedQwenConfigsAreOneSpec) {
  const json flat = small_flat_vl("qwen2_5_vl");
  json nested = {{"model_type", "qwen2_5_vl"}, {"tie_word_embeddings", true}, {"vision_config", flat["vision_config"]}};
  nested["text_config"] = flat;
  nested["text_config"]["model_type"] = "qwen2_5_vl_text";
  nested["text_config"]["rope_scaling"]["type"] = "default";
  const ModelSpec a = read(flat);
  const ModelSpec b = read(nested);
  EXPECT_EQ(a.text.hidden, b.text.hidden);
  EXPECT_EQ(a.text.layers.size(), b.text.layers.size());
  EXPECT_EQ(a.text.tied_head, b.text.tied_head);
  EXPECT_EQ(a.text.ropes[0].section, b.text.ropes[0].section);
  EXPECT_EQ(b.text.ropes[0].scaling, RopeScaling::none);
  EXPECT_EQ(a.text.policy, "mrope25:tokens_per_second=4");
  EXPECT_EQ(a.vision->window, 4);
  EXPECT_EQ(a.vision->windowed_layers, (std::vector<int>{0, 1, 2}));
}

TEST(Families, ImpossibleSizesOfQwenTowersAndExpertsAreRefused) {
  json narrow = small_flat_vl("qwen2_5_vl");
  narrow["vision_config"]["window_size"] = 27;
  EXPECT_NE(failure(narrow).find("window_size of at least one merged cell of 28 pixels, found 27"), std::string::npos);
  json odd = small_flat_vl("qwen2_vl");
  odd["vision_config"]["embed_dim"] = 36;
  EXPECT_NE(failure(odd).find("embed_dim to be a multiple of 4 * num_heads"), std::string::npos);
  json greedy = small_vl_moe();
  greedy["text_config"]["num_experts_per_tok"] = 5;
  EXPECT_NE(failure(greedy).find("num_experts_per_tok of at most num_experts, found 5 and 4"), std::string::npos);
}

TEST(Families, ExpertsAreOnTheLayersThatHaveThem) {
  json config = small_vl_moe();
  config["text_config"]["decoder_sparse_step"] = 2;
  ModelSpec spec = read(config);
  EXPECT_FALSE(spec.text.layers[0].experts || spec.text.layers[2].experts);
  EXPECT_TRUE(spec.text.layers[1].experts.has_value());
  config["text_config"]["decoder_sparse_step"] = 1;
  config["text_config"]["mlp_only_layers"] = {1};
  spec = read(config);
  EXPECT_FALSE(spec.text.layers[1].experts.has_value());
  EXPECT_TRUE(spec.text.layers[2].experts.has_value());
}

json small_gemma4() {
  json config = small_text("gemma4_text");
  config.update({{"num_hidden_layers", 6},
                 {"layer_types",
                  {"sliding_attention", "full_attention", "sliding_attention", "full_attention", "sliding_attention",
                   "sliding_attention"}},
                 {"global_head_dim", 32},
                 {"num_global_key_value_heads", 3},
                 {"attention_k_eq_v", true},
                 {"sliding_window", 5},
                 {"use_bidirectional_attention", "vision"},
                 {"num_kv_shared_layers", 2},
                 {"use_double_wide_mlp", true}});
  return config;
}

TEST(Families, LayersOfGemma4DifferByKind) {
  const TextSpec text = read(small_gemma4()).text;
  const LayerSpec& sliding = text.layers[0];
  const LayerSpec& full = text.layers[1];
  EXPECT_EQ(sliding.window, 5);
  EXPECT_TRUE(sliding.bidirectional && !full.bidirectional);
  EXPECT_TRUE(full.keys_are_values && !sliding.keys_are_values);
  EXPECT_EQ(sliding.head_dim, 20);
  EXPECT_EQ(full.head_dim, 32);
  EXPECT_EQ(sliding.kv_heads, 2);
  EXPECT_EQ(full.kv_heads, 3);
  EXPECT_EQ(text.layers[4].kv_source, 2);
  EXPECT_EQ(text.layers[5].kv_source, 3) << "the last layer is full, whatever the config says";
  EXPECT_EQ(text.layers[5].intermediate, 140);
  EXPECT_EQ(text.ropes[1].scaling, RopeScaling::proportional);
  EXPECT_EQ(text.ropes[1].rotary_dim, 32);
}

TEST(Families, FullLayersOfGemma4HaveKeyHeadsOfTheirOwnOnlyWhereKeysAreValues) {
  json config = small_gemma4();
  config["attention_k_eq_v"] = false;
  const LayerSpec full = read(config).text.layers[1];
  EXPECT_EQ(full.kv_heads, 2);
  EXPECT_EQ(full.head_dim, 32);
}

TEST(Families, BothSpellingsOfGemma4sFullHeadsAreOneSpec) {
  json saved = small_gemma4();
  for (const char* key : {"global_head_dim", "num_global_key_value_heads"}) saved.erase(key);
  for (const char* layer : {"1", "3", "5"}) {
    saved["per_layer_config"][layer] = {{"head_dim", 32}, {"num_key_value_heads", 3}};
  }
  const std::vector<LayerSpec> a = read(small_gemma4()).text.layers;
  const std::vector<LayerSpec> b = read(saved).text.layers;
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].head_dim, b[i].head_dim) << i;
    EXPECT_EQ(a[i].kv_heads, b[i].kv_heads) << i;
  }
}

TEST(Families, Gemma4MayComeWithoutItsTower) {
  const ModelSpec spec = read({{"model_type", "gemma4"}, {"text_config", small_gemma4()}, {"vision_config", nullptr}});
  EXPECT_FALSE(spec.vision || spec.prompt.takes_images());
  EXPECT_EQ(spec.text.media_ids.size(), 3u);
}

TEST(Families, ImpossibleLayersOfGemma4AreRefused) {
  json config = small_gemma4();
  config["num_kv_shared_layers"] = 5;
  EXPECT_NE(failure(config).find("a layer of each kind before the last num_kv_shared_layers (5)"), std::string::npos);
  config = small_gemma4();
  config["use_bidirectional_attention"] = "all";
  EXPECT_NE(failure(config).find("does not write text"), std::string::npos);
  config = small_gemma4();
  config["layer_types"][0] = "chunked_attention";
  EXPECT_NE(failure(config).find("\"chunked_attention\""), std::string::npos);
}

TEST(Families, CrossAttentionIsOnTheLayersThatAreListed) {
  json config = json::parse(published_config("mllama")->config);
  config["text_config"]["num_hidden_layers"] = 3;
  config["text_config"]["cross_attention_layers"] = {1, 8};
  const ModelSpec spec = read(config);
  EXPECT_EQ(spec.text.layers[0].mixer, MixerKind::attention);
  EXPECT_EQ(spec.text.layers[1].mixer, MixerKind::cross_attention);
  EXPECT_EQ(spec.text.layers[1].rope, -1);
  EXPECT_EQ(spec.text.layers[2].mixer, MixerKind::attention);
  config["text_config"]["cross_attention_layers"] = {0, 1, 2};
  EXPECT_NE(failure(config).find("leave a layer that attends to text, found all 3"), std::string::npos);
  config["text_config"]["cross_attention_layers"] = {1};
  config["vision_config"]["supported_aspect_ratios"] = {{1, 1}, {1, 2}};
  EXPECT_NE(failure(config).find("list the 8 canvases of at most 4 tiles, found 2"), std::string::npos);
}

TEST(Families, QFormersSizesMustFit) {
  json config = json::parse(published_config("blip-2")->config);
  config["qformer_config"]["num_attention_heads"] = 7;
  EXPECT_NE(failure(config).find("found 768 and 7"), std::string::npos);
  config["qformer_config"].erase("num_attention_heads");
  config["text_config"]["word_embed_proj_dim"] = 512;
  EXPECT_NE(failure(config).find("found 512 and 2560"), std::string::npos);
}

// What every registered family must keep; a new one is covered by being registered.
TEST(Families, EveryFamilyKeepsTheRegistrysPromises) {
  for (const std::string& model_type : known_families()) {
    SCOPED_TRACE(model_type);
    const Result<PublishedConfig> published = published_config(model_type);
    ASSERT_TRUE(published.ok());
    const ModelSpec spec = read(json::parse(published->config));
    EXPECT_EQ(spec.model_type, model_type);
    EXPECT_TRUE(positions::find_policy(spec.text.policy).ok());
    EXPECT_EQ(spec.prompt.takes_images(), spec.vision.has_value());
    EXPECT_FALSE(spec.text.layers.empty());
    for (const LayerSpec& layer : spec.text.layers) EXPECT_LT(layer.rope, static_cast<int>(spec.text.ropes.size()));
    for (const auto& [slot, rule] : spec.weights.rules()) {
      EXPECT_FALSE(rule.names.empty()) << slot;
      EXPECT_GT(rule.shape.elements(), 0) << slot;
    }
    ASSERT_NE(spec.weights.find("decoder.head"), nullptr);
    EXPECT_EQ(spec.weights.find("decoder.head")->optional, spec.text.tied_head);
  }
}

}  // namespace
}  // namespace azimuth::models
