// A conversation with a model: prompt in, tokens out, with a cache that goes on where the last turn ended.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "azimuth/engine.h"
#include "azimuth/hooks.h"
#include "azimuth/media.h"
#include "azimuth/position_ids.h"
#include "azimuth/positions.h"
#include "azimuth/prompt.h"
#include "azimuth/status.h"

namespace azimuth {

// What is asked. Either `messages` (a JSON text, the OpenAI chat list of docs/trace.md), or, with has_prompt, `prompt`:
// text that is rendered already, in which special tokens are parsed, with the media for its placeholders in `images`,
// `panoramas` and `videos`. Where both are given, the prompt is the text and the messages supply the media. Or, with
// has_ids, `ids`.
struct Request {
  std::string messages;
  std::string prompt;
  bool has_prompt = false;
  // Token ids of a prompt that is complete: special tokens are there, every placeholder stands once for each feature.
  // Its media are those of `images`, `panoramas` and `videos`, or, without these, all of `media`, in the order of the
  // prompt.
  std::vector<int32_t> ids;
  bool has_ids = false;
  // Pictures and videos that are in memory already. Messages, `images` and `videos` name entry N in place of a file:
  // "memory:N".
  std::vector<MediaInput> media;
  std::vector<std::string> images;  // paths, data: URLs or memory:N, only with a prompt or ids
  // JSON list of panorama parts (docs/panoramas.md), only with a prompt; may be empty. Each takes an image placeholder
  // for each of its views, behind those of `images`.
  std::string panoramas;
  std::string videos;            // JSON list of video parts, only with a prompt; may be empty
  std::string base_directory;    // of relative paths; "": the working directory
  std::string processor_kwargs;  // JSON object, as transformers' processors take it; may be empty
  bool add_generation_prompt = true;
  std::string template_kwargs;  // JSON object: further variables of the chat template ("tools", ...); may be empty
  std::string positions;        // policy name; "": the checkpoint's own
  std::string compat;           // "": as the engine was loaded; else azimuth, tf5 or tf4
  // In place of the policy's ids; the policy's frequency plan stays.
  std::optional<PositionIds> position_ids;
  // Keys in the cache: "" or "rotated", or "raw". Raw keys are turned when they are read, so a later request may give
  // the tokens of the cache other ids, or other frequencies, without computing them again: their hidden states stay as
  // they were computed under the old ones. With rotated keys everything behind the first token whose ids changed is
  // computed again. With unchanged ids both give the same bits, raw more slowly.
  std::string keys;
  // Frequencies that depend on the length (dynamic NTK, LongRoPE): "" or "rerotate": when they change, the whole
  // sequence is computed again with the new ones, so that decoding equals prefilling. "as-reference": keys in the cache
  // keep the turn that they have, as in transformers.
  std::string frequencies;
  Hooks hooks;
};

// Values left out come from the checkpoint's generation_config.json, and, where that is silent too, from the defaults
// in brackets.
struct GenerateOptions {
  int64_t max_new_tokens = 512;
  std::optional<double> temperature;         // 0: greedy [greedy]
  std::optional<int64_t> top_k;              // 0: all [all]
  std::optional<double> top_p;               // [1]
  std::optional<double> min_p;               // [0]
  std::optional<double> repetition_penalty;  // [1]
  double presence_penalty = 0.0;
  double frequency_penalty = 0.0;
  uint64_t seed = 0;
  std::vector<std::string> stop;  // texts that end the answer and are not part of it
  std::vector<int32_t> stop_ids;
  bool ignore_eos = false;
};

// The time of one stage, for people who wonder where it went.
struct StageTime {
  std::string name;  // load, preprocess, vision, prefill, decode
  double seconds = 0.0;
  int64_t items = 0;
  std::string unit;  // what is counted: "patches", "tokens"
};

struct GenerateCallbacks {
  std::function<void(std::string_view text)> on_text;  // whole UTF-8 characters only
  std::function<void(std::string_view stage, double fraction)> on_progress;
  std::function<void(int64_t step, const float* ids, int axes)> on_position;  // of each generated token
  const std::atomic<bool>* cancel = nullptr;  // set it from any thread, also from a signal handler
};

enum class FinishReason : uint8_t { end_of_text, stop, length, cancelled };
std::string_view to_string(FinishReason reason);

struct Generation {
  std::string text;
  std::vector<int32_t> ids;       // the end-of-text token not included
  std::vector<double> logprobs;   // of each generated token, nats, before temperature and penalties
  std::vector<double> entropies;  // of the distribution that each was drawn from, nats, likewise
  FinishReason finish = FinishReason::length;
  int64_t prompt_tokens = 0;
  int64_t steps = 0;           // tokens drawn, the end-of-text token included
  int64_t cached_tokens = 0;   // of the prompt, that this session or another one of the engine had already computed
  int64_t moved_tokens = 0;    // of these, with other ids than they were computed under; only with keys=raw
  int64_t prefills_again = 0;  // times that the sequence was computed again because its frequencies had changed
  // Pictures and videos of the request whose features were computed before, and the patches that the tower was spared.
  int64_t cached_images = 0;
  int64_t cached_videos = 0;
  int64_t cached_patches = 0;
  bool kept_old_turns = false;  // they changed and cached keys kept the turn that they had: frequencies=as-reference
  std::vector<StageTime> stages;
};

class Session {
 public:
  explicit Session(const Engine& engine);  // the engine must outlive the session
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  // Answers `request`. What this session's last call left is not computed again, nor pictures and starts of prompts
  // that the engine remembers of any session (EngineOptions::feature_cache_bytes, prefix_cache_bytes). No result
  // depends on what is remembered. After a failure or a cancellation the session is as usable as before. Sessions of
  // one engine may answer at the same time, each in a thread of its own.
  Result<Generation> generate(const Request& request, const GenerateOptions& options = {},
                              const GenerateCallbacks& callbacks = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A prompt with the position of every token, computed without running the model.
struct PromptReport {
  Prompt prompt;
  std::vector<std::string> tokens;  // each token as text
  std::string policy;
  PositionTable positions;
  FrequencyPlan plan;              // of the first layer type
  std::vector<NamedPlan> plans;    // of each layer type, where layers turn by different frequencies; else empty
  std::vector<MediaHandle> media;  // pictures, then videos
};
Result<PromptReport> inspect_prompt(const Engine& engine, const Request& request);

}  // namespace azimuth
