// From a request to what the model computes on: pictures read and cut into patches, prompt rendered and tokenised,
// every token given its position. Each step is a function of its arguments; none of them touches weights.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "azimuth/hooks.h"
#include "azimuth/prompt.h"
#include "azimuth/session.h"
#include "engine/model.h"
#include "engine/policy_choice.h"
#include "preprocess/preprocess.h"
#include "spec/media_features.h"
#include "spec/run_context.h"

namespace azimuth::engine {

// The messages as the chat template renders them, before placeholders are expanded. Opens no media.
Result<std::string> render_messages(const Engine::Impl& model, const Request& request);

struct PreparedSample {
  std::string rendered;  // the chat template's text, before placeholders are expanded
  Prompt prompt;
  std::vector<preprocess::MediaPixels> images;
  std::vector<preprocess::VideoPixels> videos;
  std::vector<MediaHandle> media;  // what `images`, then `videos` were made from
  PositionTable positions;
  Compat compat = Compat::azimuth;
};

Result<PreparedSample> prepare(const Engine::Impl& model, const Request& request, const PolicyChoice& policy);

struct SampleFeatures {
  std::vector<MediaFeatures> images;
  std::vector<MediaFeatures> videos;
};

// A picture or a video that is to go through the tower.
struct MediaToEncode {
  const preprocess::MediaPixels* pixels = nullptr;
  bool video = false;
};

// Runs the tower over `media`, one entry per picture or video. Progress covers all of them.
Result<std::vector<MediaFeatures>> encode_media(const Engine::Impl& model, std::span<const MediaToEncode> media,
                                                const RunContext& context);
// The same for everything in the sample.
Result<SampleFeatures> encode_sample(const Engine::Impl& model, const PreparedSample& sample,
                                     const RunContext& context);

}  // namespace azimuth::engine
