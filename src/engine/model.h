// Everything that Engine::load puts together.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "azimuth/engine.h"
#include "base/thread_pool.h"
#include "decoder/decoder.h"
#include "engine/policy_choice.h"
#include "engine/position_weights.h"
#include "models/processor_config.h"
#include "sampling/generation_config.h"
#include "spec/model_spec.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"
#include "vision/tower.h"

namespace azimuth {

struct Engine::Impl {
  EngineOptions options;
  kernels::CacheType cache = kernels::CacheType::f32;
  ModelSpec spec;
  std::string directory;
  int64_t checkpoint_bytes = 0;
  int64_t text_parameters = 0;
  int64_t vision_parameters = 0;
  sampling::GenerationConfig generation;
  models::ProcessorSpecs processors;
  std::unique_ptr<ThreadPool> pool;
  std::optional<text::Tokenizer> tokenizer;
  std::optional<text::ChatTemplate> chat_template;
  std::optional<text::ChatTemplate> video_template;  // PromptSpec::video_template
  std::optional<vision::Tower> tower;                // with weights, of models that have one
  std::optional<decoder::Decoder> decoder;           // with weights
  engine::PositionWeights position_weights;
  engine::RecentChoices recent_choices;
};

}  // namespace azimuth
