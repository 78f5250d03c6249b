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

struct PromptOptions {
  // The tokens came as embeddings that hold their features already, or none: ids are -1 where they are not known, and
  // a placeholder is a token like any other.
  bool rows_are_final = false;
  bool unknown_ids = false;  // ids may be -1
};
// prepare() without positions.
Result<PreparedSample> prepare_prompt(const Engine::Impl& model, const Request& request,
                                      const PromptOptions& options = {});
// The media of a request alone, which may then lack a text: what Request::images, panoramas, videos name, or all of
// Request::media.
Result<PreparedSample> prepare_media(const Engine::Impl& model, const Request& request);
// Puts the positions that the request brings along in the place of sample.positions, which the policy made, and calls
// hook 1.
Status replace_positions(const Request& request, const PolicyChoice& policy, const TextSpec& text,
                         PreparedSample& sample);
// What the policy says for a prompt of `spans` under `compat`.
Result<PositionTable> lay_out(const Engine::Impl& model, const PolicyChoice& policy, std::span<const Span> spans,
                              Compat compat);

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
