// SmolVLM and SmolVLM2 (arXiv 2504.05299; transformers: SmolVLMConfig): Idefics3 that takes videos as well.
#include "models/parts/idefics.h"
#include "models/registry.h"

namespace azimuth::models {
namespace {

// SmolVLMProcessor renders messages that hold a video with a template of its own.
constexpr const char* kVideoTemplate =
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}{% if message['content'][0]['type'] == "
    "'image' %}{{':'}}{% else %}{{': '}}{% endif %}{% for line in message['content'] %}{% if line['type'] == 'text' "
    "%}{{line['text']}}{% elif line['type'] == 'image' %}{{ '<image>' }}{% elif line['type'] == 'video' %}{{ '<video>' "
    "}}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif "
    "%}";

Result<ModelSpec> read_model(const JsonView& config) {
  AZ_ASSIGN_OR_RETURN(ModelSpec spec, read_pixel_shuffle_model(config));
  spec.prompt.video = spec.prompt.image;
  spec.prompt.video.expansion = PromptExpansion::described_frames;
  spec.prompt.video.marker = "<video>";
  spec.prompt.video_template = kVideoTemplate;
  spec.tokenizer_class = "TokenizersBackend";
  spec.tokenizer_class_wins = true;
  return spec;
}

}  // namespace

Family smolvlm() {
  return {"smolvlm", read_model, "SmolVLM-Instruct",
          R"({"model_type": "smolvlm", "scale_factor": 3,
              "text_config": {"model_type": "llama", "hidden_size": 2048, "num_hidden_layers": 24,
                              "num_attention_heads": 32, "num_key_value_heads": 32, "max_position_embeddings": 16384,
                              "rope_theta": 273768.0},
              "vision_config": {"model_type": "smolvlm_vision", "num_hidden_layers": 27, "intermediate_size": 4304,
                                "image_size": 384, "patch_size": 14}})"};
}

}  // namespace azimuth::models
