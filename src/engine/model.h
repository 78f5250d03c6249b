// Everything that Engine::load puts together.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "azimuth/engine.h"
#include "base/thread_pool.h"
#include "decoder/decoder.h"
#include "engine/feature_cache.h"
#include "engine/policy_choice.h"
#include "engine/position_weights.h"
#include "engine/prefix_cache.h"
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
  int64_t weight_bytes = 0;
  bool quantised = false;  // in the directory
  sampling::GenerationConfig generation;
  models::ProcessorSpecs processors;
  std::unique_ptr<ThreadPool> pool;
  std::optional<text::Tokenizer> tokenizer;
  std::optional<text::ChatTemplate> chat_template;
  std::optional<text::ChatTemplate> video_template;  // PromptSpec::video_template
  std::optional<vision::Tower> tower;                // with weights, of models that have one
  std::optional<decoder::Decoder> decoder;           // with weights
  std::function<Status()> intact;                    // whether mapped weights could all be read; unset where none are
  engine::PositionWeights position_weights;
  engine::RecentChoices recent_choices;
  std::unique_ptr<engine::FeatureCache> features;
  std::unique_ptr<engine::PrefixCache> prefixes;
};

}  // namespace azimuth
