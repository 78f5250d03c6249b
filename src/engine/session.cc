#include "azimuth/session.h"

#include <algorithm>
#include <chrono>

#include "decoder/inject.h"
#include "engine/prepare.h"
#include "engine/sequence.h"
#include "sampling/logprobs.h"
#include "sampling/sampler.h"
#include "sampling/stop.h"
#include "text/detokenizer.h"

namespace azimuth {
namespace {

using engine::PolicyChoice;
using engine::PreparedSample;
using engine::SampleFeatures;
using engine::Sequence;

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

RunContext context_for(const Engine::Impl& model, const GenerateCallbacks& callbacks, std::string_view stage) {
  RunContext context{*model.pool, nullptr, callbacks.cancel, {}};
  if (callbacks.on_progress) {
    context.progress = [&callbacks, stage](double fraction) { callbacks.on_progress(stage, fraction); };
  }
  return context;
}

sampling::SamplingParams merge_options(const sampling::GenerationConfig& config, const GenerateOptions& options) {
  sampling::SamplingParams params = config.params;
  params.temperature = options.temperature.value_or(params.temperature);
  params.top_k = options.top_k.value_or(params.top_k);
  params.top_p = options.top_p.value_or(params.top_p);
  params.min_p = options.min_p.value_or(params.min_p);
  params.repetition_penalty = options.repetition_penalty.value_or(params.repetition_penalty);
  params.presence_penalty = options.presence_penalty;
  params.frequency_penalty = options.frequency_penalty;
  params.seed = options.seed;
  params.max_new_tokens = options.max_new_tokens;
  params.stop_strings = options.stop;
  params.stop_ids = options.stop_ids;
  if (!options.ignore_eos) {
    params.stop_ids.insert(params.stop_ids.end(), config.end_of_text_ids.begin(), config.end_of_text_ids.end());
  }
  return params;
}

}  // namespace

std::string_view to_string(FinishReason reason) {
  switch (reason) {
    case FinishReason::end_of_text: return "end_of_text";
    case FinishReason::stop: return "stop";
    case FinishReason::length: return "length";
    case FinishReason::cancelled: return "cancelled";
  }
  return "unknown";
}

namespace {

bool same_pixels(const preprocess::Patches& a, const preprocess::Patches& b) {
  return a.grid == b.grid && a.pixels.shape() == b.pixels.shape() &&
         std::equal(a.pixels.data(), a.pixels.data() + a.pixels.elements(), b.pixels.data());
}

const preprocess::Patches& patches_of(const preprocess::Patches& image) {
  return image;
}
const preprocess::Patches& patches_of(const preprocess::VideoPatches& video) {
  return video.patches;
}

// A conversation as the cache knows it.
struct Turn {
  PreparedSample sample;
  SampleFeatures features;
  Sequence sequence;
  std::vector<int32_t> ids;  // of every token in the cache: prompt, then answer
  std::string policy;

  // Ids of token `index` on the axes of id set 0.
  std::vector<float> position(int64_t index) const {
    const PositionSet& set = sequence.positions.sets[0];
    if (index < set.tokens()) return {set.token(index), set.token(index) + set.axes};
    std::vector<float> generated(static_cast<size_t>(set.axes));
    set.decode_ids(index - set.tokens(), generated.data());
    return generated;
  }
};

// Features of media that the turn before had already: which (old index for each new one, -1 for new media).
template <typename Media>
std::vector<int> match_media(const std::vector<Media>& now, const std::vector<Media>* before) {
  std::vector<int> match(now.size(), -1);
  if (before == nullptr) return match;
  for (size_t i = 0; i < now.size(); ++i) {
    for (size_t j = 0; j < before->size() && match[i] < 0; ++j) {
      if (same_pixels(patches_of(now[i]), patches_of((*before)[j]))) match[i] = static_cast<int>(j);
    }
  }
  return match;
}

MediaFeatures clone(const MediaFeatures& features) {
  MediaFeatures copy{features.grid, features.features.clone(), {}};
  for (const Tensor& level : features.deepstack) copy.deepstack.push_back(level.clone());
  return copy;
}

// Tokens at the start of `prompt` that the cache of `before` holds with the same ids, media and positions. At least one
// token is left to compute, because the next one is drawn from its logits.
int64_t common_prefix(const Turn& before, const Prompt& prompt, const PositionSet& positions,
                      const std::vector<int>& images, const std::vector<int>& videos) {
  const int64_t limit =
      std::min<int64_t>({static_cast<int64_t>(before.ids.size()), static_cast<int64_t>(prompt.ids.size()) - 1,
                         before.sequence.cache.length()});
  int64_t length = 0;
  for (const Span& span : prompt.spans) {
    if (span.kind != SpanKind::text) {
      const int match = (span.kind == SpanKind::video ? videos : images)[static_cast<size_t>(span.media)];
      if (match != span.media) break;
    }
    for (length = span.begin; length < std::min(span.end, limit); ++length) {
      const auto index = static_cast<size_t>(length);
      if (prompt.ids[index] != before.ids[index]) return length;
      const std::vector<float> old = before.position(length);
      if (!std::equal(old.begin(), old.end(), positions.token(length))) return length;
    }
    if (length >= limit) break;
  }
  return length;
}

// One generated token after the other, from the logits of the prompt's last token.
class AnswerLoop {
 public:
  AnswerLoop(const Engine::Impl& model, Turn& turn, const PolicyChoice& policy, const sampling::SamplingParams& params,
             const GenerateCallbacks& callbacks, text::Detokenizer detokenizer)
      : model_(model),
        turn_(turn),
        policy_(policy),
        params_(params),
        callbacks_(callbacks),
        detokenizer_(std::move(detokenizer)),
        stop_(params) {}

  // `hidden` [hidden]: of the prompt's last token.
  Status run(Tensor hidden, Generation& out) {
    out.finish = FinishReason::length;
    if (params_.max_new_tokens == 0) return ok_status();
    for (int64_t step = 0;; ++step) {
      const Tensor logits = model_.decoder->logits(hidden.data(), 1, *model_.pool);
      AZ_ASSIGN_OR_RETURN(const int32_t id, choose(logits, step, out));
      AZ_ASSIGN_OR_RETURN(const bool over, take(id, out));
      if (over) return ok_status();
      if (callbacks_.cancel != nullptr && callbacks_.cancel->load()) {
        out.finish = FinishReason::cancelled;
        return emit(stop_.flush(), out);
      }
      AZ_ASSIGN_OR_RETURN(hidden, feed(id, step));
    }
  }

 private:
  bool is_end_of_text(int32_t id) const {
    const std::vector<int32_t>& ends = model_.generation.end_of_text_ids;
    return std::find(ends.begin(), ends.end(), id) != ends.end();
  }

  Result<int32_t> choose(const Tensor& logits, int64_t step, Generation& out) {
    const std::span<const float> row(logits.data(), static_cast<size_t>(logits.elements()));
    const std::vector<int32_t>& ids = turn_.sequence.prompt.ids;
    AZ_ASSIGN_OR_RETURN(const int32_t id,
                        sampling::sample(row, params_, {ids, generated_}, 0, static_cast<uint64_t>(step)));
    AZ_ASSIGN_OR_RETURN(const sampling::TokenStatistics statistics, sampling::token_statistics(row, id));
    generated_.push_back(id);
    logprob_ = statistics.logprob;
    entropy_ = statistics.entropy;
    out.steps = step + 1;
    return id;
  }

  // Shows the token's text; true where it ends the answer.
  Result<bool> take(int32_t id, Generation& out) {
    AZ_ASSIGN_OR_RETURN(const std::string piece, detokenizer_.push(id));
    const sampling::StopDetector::Step step = stop_.push(id, piece);
    if (step.reason != sampling::FinishReason::stop_id) {
      out.ids.push_back(id);
      out.logprobs.push_back(logprob_);
      out.entropies.push_back(entropy_);
    }
    AZ_RETURN_IF_ERROR(emit(step.text, out));
    switch (step.reason) {
      case sampling::FinishReason::none: return false;
      case sampling::FinishReason::stop_id:
        out.finish = is_end_of_text(id) ? FinishReason::end_of_text : FinishReason::stop;
        break;
      case sampling::FinishReason::stop_string: out.finish = FinishReason::stop; return true;
      case sampling::FinishReason::length: out.finish = FinishReason::length; break;
    }
    AZ_ASSIGN_OR_RETURN(const std::string rest, detokenizer_.finish());
    AZ_RETURN_IF_ERROR(emit(rest, out));
    return true;
  }

  Status emit(const std::string& text, Generation& out) {
    out.text += text;
    if (callbacks_.on_text && !text.empty()) callbacks_.on_text(text);
    return ok_status();
  }

  Result<Tensor> feed(int32_t id, int64_t step) {
    if (callbacks_.on_position) {
      const PositionSet& set = turn_.sequence.positions.sets[0];
      std::vector<float> ids(static_cast<size_t>(set.axes));
      set.decode_ids(step, ids.data());
      callbacks_.on_position(step, ids.data(), set.axes);
    }
    Sequence* const sequence = &turn_.sequence;
    const RunContext context{*model_.pool, nullptr, nullptr, {}};
    AZ_ASSIGN_OR_RETURN(Tensor hidden,
                        engine::decode_step(*model_.decoder, {&sequence, 1}, {&id, 1}, {&step, 1}, context));
    turn_.ids.push_back(id);
    return hidden;
  }

  const Engine::Impl& model_;
  Turn& turn_;
  const PolicyChoice& policy_;
  const sampling::SamplingParams& params_;
  const GenerateCallbacks& callbacks_;
  text::Detokenizer detokenizer_;
  sampling::StopDetector stop_;
  std::vector<int32_t> generated_;
  double logprob_ = 0.0;
  double entropy_ = 0.0;
};

// prepare() refuses prompts beyond the context; an answer needs one token more.
Status check_room(const TextSpec& text, const Prompt& prompt) {
  if (static_cast<int64_t>(prompt.ids.size()) < text.context_length) return ok_status();
  return resource_exhausted(
      "the prompt fills the model's context of " + std::to_string(text.context_length) +
      " tokens, which leaves none for an answer; shorten the text or use fewer or smaller pictures");
}

}  // namespace

struct Session::Impl {
  const Engine::Impl& model;
  std::optional<Turn> turn;  // the last call

  Result<SampleFeatures> encode(const PreparedSample& sample, const std::vector<int>& images,
                                const std::vector<int>& videos, const RunContext& context) const;
  Result<Turn> start_turn(PreparedSample sample, const PolicyChoice& policy, const GenerateCallbacks& callbacks,
                          Generation& out);
};

// Features of the sample's media: those of the turn before where the pixels are the same, the tower's otherwise.
Result<SampleFeatures> Session::Impl::encode(const PreparedSample& sample, const std::vector<int>& images,
                                             const std::vector<int>& videos, const RunContext& context) const {
  std::vector<const preprocess::Patches*> fresh;
  for (size_t i = 0; i < images.size(); ++i) {
    if (images[i] < 0) fresh.push_back(&sample.images[i]);
  }
  for (size_t i = 0; i < videos.size(); ++i) {
    if (videos[i] < 0) fresh.push_back(&sample.videos[i].patches);
  }
  AZ_ASSIGN_OR_RETURN(std::vector<MediaFeatures> encoded, engine::encode_media(model, fresh, context));
  SampleFeatures out;
  size_t next = 0;  // of `encoded`: new pictures, then new videos
  for (const int match : images) {
    out.images.push_back(match < 0 ? std::move(encoded[next++])
                                   : clone(turn->features.images[static_cast<size_t>(match)]));
  }
  for (const int match : videos) {
    out.videos.push_back(match < 0 ? std::move(encoded[next++])
                                   : clone(turn->features.videos[static_cast<size_t>(match)]));
  }
  return out;
}

Result<Turn> Session::Impl::start_turn(PreparedSample sample, const PolicyChoice& policy,
                                       const GenerateCallbacks& callbacks, Generation& out) {
  const std::vector<int> images = match_media(sample.images, turn ? &turn->sample.images : nullptr);
  const std::vector<int> videos = match_media(sample.videos, turn ? &turn->sample.videos : nullptr);
  const Stopwatch vision;
  AZ_ASSIGN_OR_RETURN(SampleFeatures features, encode(sample, images, videos, context_for(model, callbacks, "vision")));
  int64_t patches = 0;
  for (size_t i = 0; i < images.size(); ++i) patches += images[i] < 0 ? sample.images[i].grid.cells() : 0;
  for (size_t i = 0; i < videos.size(); ++i) patches += videos[i] < 0 ? sample.videos[i].patches.grid.cells() : 0;
  if (patches > 0) out.stages.push_back({"vision", vision.seconds(), patches, "patches"});

  AZ_ASSIGN_OR_RETURN(decoder::DecoderInput input,
                      decoder::inject(*model.decoder, sample.prompt, features.images, features.videos));
  decoder::CacheState cache = model.decoder->new_cache();
  if (turn && turn->policy == policy.policy.spelling()) {
    out.cached_tokens = common_prefix(*turn, sample.prompt, sample.positions.sets[0], images, videos);
    cache = turn->sequence.cache;
    AZ_RETURN_IF_ERROR(cache.truncate(out.cached_tokens));
  }
  std::vector<int32_t> ids = sample.prompt.ids;
  Sequence sequence{sample.prompt, std::move(input), sample.positions, policy.encoding, std::move(cache)};
  return Turn{std::move(sample), std::move(features), std::move(sequence), std::move(ids), policy.policy.spelling()};
}

Session::Session(const Engine& engine) : impl_(std::make_unique<Impl>(Impl{engine.impl(), {}})) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<Generation> Session::generate(const Request& request, const GenerateOptions& options,
                                     const GenerateCallbacks& callbacks) {
  const Engine::Impl& model = impl_->model;
  if (!model.decoder) return invalid_argument("generate expected an engine with weights, found one loaded without");
  sampling::SamplingParams params = merge_options(model.generation, options);
  AZ_RETURN_IF_ERROR(sampling::validate(params));
  AZ_ASSIGN_OR_RETURN(const PolicyChoice policy, engine::choose_policy(model, request.positions));
  Generation out;
  const Stopwatch preparing;
  AZ_ASSIGN_OR_RETURN(PreparedSample sample, engine::prepare(model, request, policy));
  AZ_RETURN_IF_ERROR(check_room(model.spec.text, sample.prompt));
  out.prompt_tokens = static_cast<int64_t>(sample.prompt.ids.size());
  params.max_new_tokens = std::min(params.max_new_tokens, model.spec.text.context_length - out.prompt_tokens);
  out.stages.push_back({"preprocess", preparing.seconds(), out.prompt_tokens, "tokens"});

  AZ_ASSIGN_OR_RETURN(Turn turn, impl_->start_turn(std::move(sample), policy, callbacks, out));
  const Stopwatch prefilling;
  Tensor last({1, model.spec.text.hidden});
  const auto keep_last = [&](int, int64_t, const float* rows, int64_t count) {
    std::copy_n(rows + (count - 1) * last.elements(), last.elements(), last.data());
    return ok_status();
  };
  AZ_RETURN_IF_ERROR(
      engine::prefill(*model.decoder, {&turn.sequence, 1}, context_for(model, callbacks, "prefill"), keep_last));
  out.stages.push_back({"prefill", prefilling.seconds(), out.prompt_tokens - out.cached_tokens, "tokens"});

  AZ_ASSIGN_OR_RETURN(text::Detokenizer detokenizer, text::Detokenizer::create(*model.tokenizer, true));
  const Stopwatch decoding;
  AnswerLoop loop(model, turn, policy, params, callbacks, std::move(detokenizer));
  AZ_RETURN_IF_ERROR(loop.run(std::move(last), out));
  out.stages.push_back({"decode", decoding.seconds(), out.steps, "tokens"});
  impl_->turn = std::move(turn);
  return out;
}

Result<PromptReport> inspect_prompt(const Engine& engine, const Request& request) {
  const Engine::Impl& model = engine.impl();
  AZ_ASSIGN_OR_RETURN(PolicyChoice policy, engine::choose_policy(model.spec.text, request.positions));
  AZ_ASSIGN_OR_RETURN(PreparedSample sample, engine::prepare(model, request, policy));
  PromptReport report;
  for (const int32_t id : sample.prompt.ids) {
    AZ_ASSIGN_OR_RETURN(std::string token, model.tokenizer->decode({&id, 1}, false));
    report.tokens.push_back(std::move(token));
  }
  report.prompt = std::move(sample.prompt);
  report.policy = policy.policy.spelling();
  report.positions = std::move(sample.positions);
  report.plan = policy.encoding->plan(0);
  return report;
}

}  // namespace azimuth
