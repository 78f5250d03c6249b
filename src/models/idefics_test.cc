// Configs of the Idefics line: what their classes decide by themselves, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "models/families.h"
#include "models/processor_config.h"

namespace azimuth::models {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json small(const std::string& model_type, const std::string& decoder) {
  return {{"model_type", model_type},
          {"text_config",
           {{"model_type", decoder},
            {"vocab_size", 300},
            {"hidden_size", 48},
            {"intermediate_size", 70},
            {"num_hidden_layers", 2},
            {"num_attention_heads", 6},
            {"num_key_value_heads", 2},
            {"rms_norm_eps", 1e-4}}},
          {"vision_config", {{"hidden_size", 32}, {"num_attention_heads", 4}, {"image_size", 31}, {"patch_size", 6}}},
          {"perceiver_config", {{"resampler_n_latents", 5}, {"resampler_n_heads", 6}, {"num_key_value_heads", 3}}}};
}

Result<ModelSpec> read(const json& config) {
  return read_model_spec(JsonView(config, "config.json"));
}

TEST(Idefics, TowersOfAllThreeAreOne) {
  for (const auto& [family, decoder] :
       {std::pair{"idefics2", "mistral"}, std::pair{"idefics3", "llama"}, std::pair{"smolvlm", "llama"}}) {
    const Result<ModelSpec> spec = read(small(family, decoder));
    ASSERT_TRUE(spec.ok()) << spec.status().message();
    EXPECT_EQ(spec->vision->learned_side, 5);  // 31 / 6
    EXPECT_EQ(spec->vision->resample, GridResample::fraction_buckets);
    EXPECT_EQ(spec->vision->tf4_resample, GridResample::shrunk_fraction_buckets);
    EXPECT_TRUE(spec->vision->final_norm);
    EXPECT_FALSE(spec->text.tied_head);
    EXPECT_EQ(spec->prompt.takes_videos(), std::string(family) == "smolvlm");
  }
}

TEST(Idefics, PerceiverWithoutAWidthTakesTheDecodersEpsilon) {
  json config = small("idefics2", "mistral");
  EXPECT_EQ(read(config)->vision->projector.norm_eps, 1e-4f);
  config["perceiver_config"].update({{"hidden_size", 48}, {"rms_norm_eps", 1e-3}});
  const Result<ModelSpec> spec = read(config);
  EXPECT_EQ(spec->vision->projector.norm_eps, 1e-3f);
  EXPECT_EQ(spec->vision->projector.queries, 5);
  EXPECT_EQ(spec->vision->projector.merged({1, 9, 4}), (Grid{1, 1, 5}));
}

TEST(Idefics, RefusesHeadsThatDoNotDivide) {
  json config = small("idefics2", "mistral");
  config["perceiver_config"]["num_key_value_heads"] = 4;
  EXPECT_THAT(read(config).status().message(),
              HasSubstr("expected resampler_n_heads to be a multiple of num_key_value_heads, found 6 and 4"));
  config = small("smolvlm", "llama");
  config["vision_config"]["num_attention_heads"] = 5;
  EXPECT_THAT(read(config).status().message(), HasSubstr("num_attention_heads"));
}

Result<ProcessorSpecs> processors(const std::string& model_type, const json& file) {
  ProcessorFiles files;
  files.preprocessor_config = file.dump();
  return read_processor_specs(files, model_type);
}

TEST(IdeficsProcessors, DefaultsAreTheClasses) {
  const Result<ProcessorSpecs> split = processors("smolvlm", json::object());
  ASSERT_TRUE(split.ok()) << split.status().message();
  EXPECT_EQ(split->image.scheme, PreprocessScheme::split);
  EXPECT_EQ(split->image.longest_edge, 1456);
  EXPECT_EQ(split->image.tile_size, 364);
  EXPECT_TRUE(split->image.divides);
  EXPECT_FALSE(split->video.frame.divides);
  const Result<ProcessorSpecs> quarters = processors("idefics2", json::object());
  ASSERT_TRUE(quarters.ok()) << quarters.status().message();
  EXPECT_EQ(quarters->image.shortest_edge, 378);
  EXPECT_FALSE(quarters->image.divides);
  EXPECT_TRUE(quarters->image.drops_alpha);
}

TEST(IdeficsProcessors, VideoSamplingOfPublishedFiles) {
  json file = {{"video_sampling", {{"fps", 1}, {"max_frames", 64}, {"video_size", {{"longest_edge", 512}}}}}};
  Result<ProcessorSpecs> specs = processors("smolvlm", file);
  ASSERT_TRUE(specs.ok()) << specs.status().message();
  EXPECT_EQ(specs->video.frame.longest_edge, 512);
  EXPECT_EQ(specs->video.num_frames, 64);
  file["size"] = {{"longest_edge", 8192}};
  specs = processors("smolvlm", file);
  EXPECT_EQ(specs->video.frame.longest_edge, 4096);  // frames have a limit of their own
  EXPECT_EQ(specs->image.longest_edge, 8192);
}

TEST(IdeficsProcessors, RefusesSizesThatSayTooLittle) {
  EXPECT_THAT(processors("idefics3", {{"size", {{"height", 4}}}}).status().message(),
              HasSubstr("an object with longest_edge, or with height and width"));
  EXPECT_THAT(processors("idefics2", {{"size", {{"longest_edge", 4}}}}).status().message(),
              HasSubstr("an object with shortest_edge and longest_edge, or with height and width"));
  EXPECT_THAT(processors("smolvlm", {{"max_image_size", {{"height", 4}}}}).status().message(),
              HasSubstr("longest_edge"));
}

}  // namespace
}  // namespace azimuth::models
