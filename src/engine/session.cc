#include "azimuth/session.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "decoder/inject.h"
#include "decoder/score_term.h"
#include "engine/hooks.h"
#include "engine/prepare.h"
#include "engine/start_sequence.h"
#include "engine/turn.h"
#include "sampling/logprobs.h"
#include "sampling/sampler.h"
#include "sampling/stop.h"
#include "text/detokenizer.h"

namespace azimuth {
namespace {

using engine::EncodedMedia;
using engine::KnownFeatures;
using engine::MediaKeys;
using engine::PolicyChoice;
using engine::PrefixChain;
using engine::PreparedSample;
using engine::Sequence;
using engine::SharedMediaFeatures;
using engine::Turn;

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// What every stage of one call is given.
struct Call {
  const Engine::Impl& model;
  const GenerateCallbacks& callbacks;
  engine::HookTaps taps;

  RunContext context(std::string_view stage) const {
    RunContext context{*model.pool, nullptr, callbacks.cancel, {}};
    taps.attach(context);
    if (callbacks.on_progress) {
      context.progress = [this, stage](double fraction) { callbacks.on_progress(stage, fraction); };
    }
    return context;
  }

  // Once tokens are drawn, progress is what they say.
  RunContext decoding() const {
    RunContext context{*model.pool, nullptr, callbacks.cancel, {}};
    taps.attach(context);
    return context;
  }
};

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

// One generated token after the other, from the logits of the prompt's last token.
class AnswerLoop {
 public:
  AnswerLoop(const Call& call, Turn& turn, const sampling::SamplingParams& params, text::Detokenizer detokenizer)
      : call_(call),
        model_(call.model),
        turn_(turn),
        params_(params),
        callbacks_(call.callbacks),
        detokenizer_(std::move(detokenizer)),
        stop_(params) {}

  // `last` [hidden]: of the prompt's last token. From then on no token asks the heap for memory, but for what the cache
  // grows by.
  Status run(const Tensor& last, Generation& out) {
    out.finish = FinishReason::length;
    if (params_.max_new_tokens == 0) return ok_status();
    reserve(out);
    const Tensor* hidden = &last;
    for (int64_t step = 0;; ++step) {
      AZ_RETURN_IF_ERROR(find_logits(*hidden));
      AZ_ASSIGN_OR_RETURN(const int32_t id, choose(step, out));
      AZ_ASSIGN_OR_RETURN(const bool over, take(id, out));
      if (over) return ok_status();
      if (callbacks_.cancel != nullptr && callbacks_.cancel->load()) {
        out.finish = FinishReason::cancelled;
        return emit(stop_.flush(), out);
      }
      const Status fed = feed(id, step);
      if (fed.code() == StatusCode::cancelled && callbacks_.cancel != nullptr && callbacks_.cancel->load()) {
        return stop_in_token(out);
      }
      AZ_RETURN_IF_ERROR(fed);
      hidden = &work_.hidden;
    }
  }

 private:
  // Room for the lists of an answer, unless it gets very long.
  void reserve(Generation& out) {
    constexpr int64_t kMostTokens = 16384;
    constexpr size_t kTextOfToken = 16;  // bytes, which is more than most have
    const auto tokens = static_cast<size_t>(std::min(params_.max_new_tokens, kMostTokens));
    out.text.reserve(tokens * kTextOfToken);
    out.ids.reserve(tokens);
    out.logprobs.reserve(tokens);
    out.entropies.reserve(tokens);
    generated_.reserve(tokens);
    turn_.ids.reserve(turn_.ids.size() + tokens);
  }

  // The token that was shown last is not in the cache.
  Status stop_in_token(Generation& out) {
    // Frequencies may have moved on without the keys.
    if (turn_.sequence.growth.encoding_for) turn_.hooked = true;
    out.finish = FinishReason::cancelled;
    return emit(stop_.flush(), out);
  }

  bool is_end_of_text(int32_t id) const {
    const std::vector<int32_t>& ends = model_.generation.end_of_text_ids;
    return std::find(ends.begin(), ends.end(), id) != ends.end();
  }

  Status find_logits(const Tensor& hidden) {
    model_.decoder->logits(hidden.data(), 1, head_, *model_.pool);
    const TapPoint point{Stage::logits, -1, 0, turn_.sequence.cache.length() - 1};
    return engine::pass_tensor(call_.decoding(), point, head_.logits);
  }

  Result<int32_t> choose(int64_t step, Generation& out) {
    const std::span<const float> row(head_.logits.data(), static_cast<size_t>(head_.logits.elements()));
    const std::vector<int32_t>& ids = turn_.sequence.prompt.ids;
    AZ_ASSIGN_OR_RETURN(const int32_t id,
                        sampling::sample(row, params_, {ids, generated_}, 0, static_cast<uint64_t>(step), sampler_));
    const sampling::RowStatistics statistics = sampling::statistics_of_row(row, 1.0, *model_.pool);
    generated_.push_back(id);
    logprob_ = statistics.logprob(row[static_cast<size_t>(id)]);
    entropy_ = statistics.entropy;
    out.steps = step + 1;
    return id;
  }

  // Shows the token's text; true where it ends the answer.
  Result<bool> take(int32_t id, Generation& out) {
    AZ_ASSIGN_OR_RETURN(const std::string_view piece, detokenizer_.push(id));
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

  Status emit(std::string_view text, Generation& out) {
    out.text += text;
    if (callbacks_.on_text && !text.empty()) callbacks_.on_text(text);
    return ok_status();
  }

  Status feed(int32_t id, int64_t step) {
    if (callbacks_.on_position) {
      const PositionSet& set = turn_.sequence.positions.sets[0];
      float ids[kMaxPositionAxes];
      set.decode_ids(step, ids);
      callbacks_.on_position(step, ids, set.axes);
    }
    Sequence* const sequence = &turn_.sequence;
    AZ_RETURN_IF_ERROR(
        engine::decode_step(*model_.decoder, {&sequence, 1}, {&id, 1}, {&step, 1}, call_.decoding(), work_));
    turn_.ids.push_back(id);
    return ok_status();
  }

  const Call& call_;
  const Engine::Impl& model_;
  Turn& turn_;
  const sampling::SamplingParams& params_;
  const GenerateCallbacks& callbacks_;
  text::Detokenizer detokenizer_;
  sampling::StopDetector stop_;
  engine::StepWorkspace work_;
  decoder::HeadWorkspace head_;
  sampling::SamplerWorkspace sampler_;
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

  // `policy`: its spelling. `keys`: of the sample's media; empty where hooks may change states.
  Result<Turn> start_turn(const Request& request, const std::string& policy, const PreparedSample& sample,
                          MediaKeys keys, const Call& call, Generation& out);
  Status take_over(const Turn* before, bool shares, Turn& next, Generation& out) const;
  Result<Tensor> read_prompt(const Call& call, Turn& next, Generation& out) const;
};

namespace {

// The prompt and its media; `keys`: of the media, where hooks change nothing.
Result<PreparedSample> prepare(const Engine::Impl& model, const Request& request, const PolicyChoice& policy,
                               const GenerateCallbacks& callbacks, MediaKeys& keys) {
  const CancelScope scope(callbacks.cancel);
  AZ_ASSIGN_OR_RETURN(PreparedSample sample, engine::prepare(model, request, policy));
  if (!request.hooks.changes_states()) keys = engine::media_keys(sample, *model.pool);
  if (CancelScope::requested()) return cancelled("stopped on request");
  return sample;
}

// Features of the sample's media: those that are known, the tower's otherwise.
Result<EncodedMedia> encode(const Engine::Impl& model, const PreparedSample& sample, const MediaKeys& keys,
                            const KnownFeatures& known, const Call& call, Generation& out) {
  const Stopwatch vision;
  AZ_ASSIGN_OR_RETURN(EncodedMedia media, engine::encode_shared(model, sample, keys, known, call.context("vision")));
  if (media.new_patches > 0) out.stages.push_back({"vision", vision.seconds(), media.new_patches, "patches"});
  out.cached_images = media.cached_images;
  out.cached_videos = media.cached_videos;
  out.cached_patches = media.cached_patches;
  return media;
}

std::vector<const MediaFeatures*> pointers_to(const std::vector<SharedMediaFeatures>& shared) {
  std::vector<const MediaFeatures*> out;
  for (const SharedMediaFeatures& each : shared) out.push_back(each.get());
  return out;
}

// The chain of all tokens that the turn knows. Keys and values of a term with segments are left behind as it goes on,
// so that they have none.
PrefixChain prefix_of(const Engine::Impl& model, const Turn& turn) {
  const auto& term = turn.sequence.encoding->score_term;
  if (term != nullptr && term->segments() != nullptr) return {};
  // A token that has a row of its own among images, but was generated, has another one than in a prompt.
  const std::vector<int64_t>& own_rows = model.spec.text.media_token_ids;
  const auto answer = turn.ids.begin() + static_cast<std::ptrdiff_t>(turn.sequence.prompt.ids.size());
  const auto end =
      std::find_first_of(answer, turn.ids.end(), own_rows.begin(), own_rows.end(), std::equal_to<int64_t>());
  return engine::prefix_chain({model.options.dtype, turn.compat, turn.policy}, turn.sequence, {turn.ids.begin(), end},
                              turn.media);
}

// Leaves what the turn's cache holds to later requests, unless it is more, or less, than its tokens tell.
void keep_prefix(const Engine::Impl& model, const PrefixChain& chain, const Turn& turn) {
  if (turn.hooked || !turn.exact || turn.sequence.growth.mixed) return;
  model.prefixes->keep(chain, turn.sequence.cache);
}

}  // namespace

// Gives `next` the start of its cache: from the turn before, or from what the engine remembers, if that is longer.
Status Session::Impl::take_over(const Turn* before, bool shares, Turn& next, Generation& out) const {
  Sequence& sequence = next.sequence;
  engine::Reuse reuse;
  if (before != nullptr) reuse = engine::find_reuse(*before, sequence, next.policy, next.media);
  next.exact = reuse.tokens == 0 || (reuse.exact && before->exact);
  out.cached_tokens = reuse.tokens;
  out.moved_tokens = reuse.moved;
  next.prefix = prefix_of(model, next);
  // Who asked to have tokens moved does not want them computed as they are for others.
  if (shares && next.exact) {
    if (decoder::has_recurrent_states(sequence.cache))
      sequence.stops = engine::snapshot_stops(next.prefix, sequence.prompt);
    const int64_t limit = static_cast<int64_t>(next.ids.size()) - 1;
    decoder::CacheState cache = model.decoder->new_cache(sequence.cache.key_storage());
    const int64_t tokens = model.prefixes->take(next.prefix, limit, cache);
    if (tokens > reuse.tokens) {
      out.cached_tokens = tokens;
      sequence.cache = std::move(cache);
      return ok_status();
    }
  }
  if (reuse.tokens == 0) return ok_status();
  sequence.cache = before->sequence.cache;
  return sequence.cache.truncate(reuse.tokens);
}

Result<Turn> Session::Impl::start_turn(const Request& request, const std::string& policy, const PreparedSample& sample,
                                       MediaKeys keys, const Call& call, Generation& out) {
  AZ_ASSIGN_OR_RETURN(const engine::SequenceOptions options, engine::sequence_options(request));
  // What hooks changed is not what the same request would give without them, nor another hook.
  const bool hooked = request.hooks.changes_states();
  const bool shares = !hooked && !request.hooks.watches();
  const Turn* before = turn && !turn->hooked && !hooked ? &*turn : nullptr;
  KnownFeatures known;
  if (before != nullptr) known = {&before->media, &before->features, nullptr};
  if (shares && model.options.feature_cache_bytes > 0) known.cache = model.features.get();
  AZ_ASSIGN_OR_RETURN(EncodedMedia media, encode(model, sample, keys, known, call, out));

  AZ_ASSIGN_OR_RETURN(decoder::DecoderInput input,
                      decoder::inject(*model.decoder, sample.prompt, pointers_to(media.features.images),
                                      pointers_to(media.features.videos)));
  AZ_ASSIGN_OR_RETURN(Sequence sequence, engine::start_sequence(model, options, sample, std::move(input)));
  Turn next{std::move(keys), std::move(media.features), std::move(sequence), sample.prompt.ids, policy, sample.compat,
            hooked};
  if (!hooked) AZ_RETURN_IF_ERROR(take_over(before, shares, next, out));
  AZ_RETURN_IF_ERROR(engine::enter_decoder(call.context("prefill"), 0, next.sequence));
  return next;
}

// Runs the prompt's new tokens. Returns the hidden row [1, hidden] of the last one.
Result<Tensor> Session::Impl::read_prompt(const Call& call, Turn& next, Generation& out) const {
  const Stopwatch prefilling;
  Tensor last({1, model.spec.text.hidden});
  Sequence& sequence = next.sequence;
  sequence.last_row_only = true;
  const auto after_pass = [&](int, int64_t, const float* rows, int64_t count) {
    std::copy_n(rows + (count - 1) * last.elements(), last.elements(), last.data());
    if (std::ranges::binary_search(sequence.stops, sequence.cache.length())) keep_prefix(model, next.prefix, next);
    return ok_status();
  };
  AZ_RETURN_IF_ERROR(engine::prefill(*model.decoder, {&sequence, 1}, call.context("prefill"), after_pass));
  out.stages.push_back({"prefill", prefilling.seconds(), out.prompt_tokens - out.cached_tokens, "tokens"});
  keep_prefix(model, next.prefix, next);
  return last;
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
  MediaKeys keys;
  AZ_ASSIGN_OR_RETURN(const PreparedSample sample, prepare(model, request, policy, callbacks, keys));
  AZ_RETURN_IF_ERROR(check_room(model.spec.text, sample.prompt));
  out.prompt_tokens = static_cast<int64_t>(sample.prompt.ids.size());
  params.max_new_tokens = std::min(params.max_new_tokens, model.spec.text.context_length - out.prompt_tokens);
  out.stages.push_back({"preprocess", preparing.seconds(), out.prompt_tokens, "tokens"});

  const Call call{model, callbacks, engine::HookTaps(request.hooks)};
  AZ_ASSIGN_OR_RETURN(Turn turn,
                      impl_->start_turn(request, policy.policy.spelling(), sample, std::move(keys), call, out));
  AZ_ASSIGN_OR_RETURN(const Tensor last, impl_->read_prompt(call, turn, out));

  AZ_ASSIGN_OR_RETURN(text::Detokenizer detokenizer, text::Detokenizer::create(*model.tokenizer, true));
  const Stopwatch decoding;
  AnswerLoop loop(call, turn, params, std::move(detokenizer));
  AZ_RETURN_IF_ERROR(loop.run(last, out));
  out.prefills_again = turn.sequence.growth.prefills;
  out.kept_old_turns = turn.sequence.growth.mixed;
  out.stages.push_back({"decode", decoding.seconds(), out.steps, "tokens"});
  if (!turn.hooked) keep_prefix(model, prefix_of(model, turn), turn);
  impl_->turn = std::move(turn);
  return out;
}

}  // namespace azimuth
