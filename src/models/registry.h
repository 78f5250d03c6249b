// The lists behind families.h: one line for each registered part or family.
#pragma once

#include <vector>

#include "models/families.h"

namespace azimuth::models {

const std::vector<TextPart>& text_parts();
const std::vector<VisionPart>& vision_parts();
const std::vector<Family>& families();

// Each is defined in the file of its name.
TextPart gemma_text();
TextPart gemma2_text();
TextPart gemma3_text_part();
TextPart gemma4_text_part();
TextPart llama_text();
TextPart mistral_text();
TextPart qwen2_text();
TextPart qwen2_5_vl_text();
TextPart qwen2_vl_text();
TextPart qwen3_text();
TextPart qwen3_5_moe_text();
TextPart qwen3_5_text_part();
TextPart qwen3_vl_moe_text();
TextPart qwen3_vl_text();
VisionPart clip_vision_model();
TextPart mllama_text();
TextPart opt_text();
VisionPart blip_2_vision();
VisionPart mllama_vision();
VisionPart qwen2_5_vl_vision();
VisionPart qwen2_vl_vision();
VisionPart qwen3_5_vision();
VisionPart gemma4_vision();
VisionPart idefics2_vision();
VisionPart idefics3_vision();
VisionPart qwen3_vl_vision();
VisionPart siglip_vision_model();
Family blip_2();
VisionPart internvl_vision();
VisionPart ovis2_vision();
Family gemma();
Family gemma2();
Family gemma3();
Family gemma3_text();
Family gemma4();
Family gemma4_text();
Family idefics2();
Family idefics3();
Family llama();
Family llava();
Family llava_next();
Family llava_onevision();
Family mistral();
Family mllama();
Family opt();
Family paligemma();
Family qwen2();
Family qwen2_5_vl();
Family qwen2_vl();
Family qwen3();
Family qwen3_5();
Family qwen3_5_moe();
Family qwen3_5_text();
Family qwen3_vl();
Family qwen3_vl_moe();
Family internvl();
Family ovis2();
Family smolvlm();

}  // namespace azimuth::models
