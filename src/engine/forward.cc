#include "azimuth/forward.h"

#include <algorithm>

#include "base/counted.h"
#include "decoder/inject.h"
#include "engine/array_of.h"
#include "engine/cache_impl.h"
#include "engine/call_positions.h"
#include "engine/given_embeddings.h"
#include "engine/hooks.h"
#include "engine/prepare.h"
#include "engine/shared_features.h"

namespace azimuth {
namespace {

using engine::CachedSequence;
using engine::InputHistory;
using engine::PolicyChoice;
using engine::PreparedSample;

constexpr int64_t kLogitRows = 128;  // rows of logits that are computed at a time

// ---- what a call wants of the cache

std::string_view compat_name(Compat compat) {
  switch (compat) {
    case Compat::azimuth: return "azimuth";
    case Compat::tf5: return "tf5";
    case Compat::tf4: return "tf4";
  }
  return "unknown";
}

Status check_setting(const Request& request, const engine::SequenceOptions& options, const PolicyChoice& policy,
                     Compat compat, const CachedSequence& before) {
  const auto differs = [](const std::string& what, const std::string& cached, const std::string& asked) {
    return invalid_argument("a cache that was filled with " + what + " " + cached + " expected the same again, found " +
                            asked + "; leave it out, or start another cache");
  };
  if (!request.positions.empty() && policy.policy.spelling() != before.policy) {
    return differs("position policy", before.policy, policy.policy.spelling());
  }
  if (!request.keys.empty() && options.keys != before.options.keys) {
    const bool raw = before.options.keys == decoder::KeyStorage::raw;
    return differs("keys", raw ? "raw" : "rotated", raw ? "rotated" : "raw");
  }
  if (!request.frequencies.empty() && options.frequencies != before.options.frequencies) {
    const bool again = before.options.frequencies == engine::FrequencyMode::rerotate;
    return differs("frequencies", again ? "rerotate" : "as-reference", again ? "as-reference" : "rerotate");
  }
  if (!request.compat.empty() && compat != before.compat)
    return differs("compat", std::string(compat_name(before.compat)), request.compat);
  return ok_status();
}

Status check_room(const TextSpec& text, int64_t cached, int64_t tokens) {
  if (text.context_length <= 0 || cached + tokens <= text.context_length) return ok_status();
  return resource_exhausted("a cache of " + counted(cached, "token") + " and " + counted(tokens, "new token") +
                            " do not fit into the model's context of " + std::to_string(text.context_length) +
                            "; give fewer tokens, or trim the cache");
}

// ---- the pass

// What runs through the decoder: the call's tokens, or, where all have to be computed again, the whole sequence.
struct Pass {
  decoder::DecoderInput input;
  Prompt prompt;            // of the input's tokens
  PositionTable positions;  // of the input's tokens
  PositionTable all;        // of the whole sequence
  std::shared_ptr<const decoder::PositionEncoding> encoding;
  decoder::CacheState state;
};

// Collects what the caller asked for.
class Collector {
 public:
  Collector(const Engine::Impl& model, const ForwardOptions& options, int64_t first_token, int64_t tokens)
      : model_(model), first_token_(first_token), tokens_(tokens) {
    const int64_t hidden = model.spec.text.hidden;
    logit_rows_ = options.logit_rows == kAllRows ? tokens : std::min(options.logit_rows, tokens);
    if (logit_rows_ > 0) logits_ = Tensor({logit_rows_, model.spec.text.vocab});
    if (options.hidden_states) hidden_ = Tensor({tokens, hidden});
    if (!options.layer_outputs) return;
    for (size_t layer = 0; layer < model.spec.text.layers.size(); ++layer) layers_.push_back(Tensor({tokens, hidden}));
  }

  bool wants_layers() const { return !layers_.empty(); }

  // Rows [count, hidden] of token `first` of the sequence and those behind it.
  void add_layer(int layer, int64_t first, const float* rows, int64_t count) {
    copy(first, rows, count, layers_[static_cast<size_t>(layer)]);
  }

  Status add_rows(int64_t first, const float* rows, int64_t count, const RunContext& context) {
    if (!hidden_.empty()) copy(first, rows, count, hidden_);
    const int64_t wanted = std::max(first, first_token_ + tokens_ - logit_rows_);
    const CancelScope scope(context.cancel);
    for (int64_t token = wanted; token < first + count; token += kLogitRows) {
      const int64_t rows_now = std::min(kLogitRows, first + count - token);
      const float* from = rows + (token - first) * model_.spec.text.hidden;
      Tensor block = model_.decoder->logits(from, rows_now, context.pool);
      if (scope.skipped()) return cancelled("stopped on request");
      AZ_RETURN_IF_ERROR(engine::pass_tensor(context, {Stage::logits, -1, 0, token}, block));
      const int64_t row = token - (first_token_ + tokens_ - logit_rows_);
      std::copy_n(block.data(), block.elements(), logits_.row(row));
    }
    return ok_status();
  }

  ForwardOutput finish() && {
    ForwardOutput out;
    out.first_token = first_token_;
    out.tokens = tokens_;
    if (!logits_.empty()) out.logits = engine::array_of(std::move(logits_));
    if (!hidden_.empty()) out.hidden = engine::array_of(std::move(hidden_));
    for (Tensor& layer : layers_) out.layers.push_back(engine::array_of(std::move(layer)));
    return out;
  }

 private:
  void copy(int64_t first, const float* rows, int64_t count, Tensor& to) const {
    const int64_t begin = std::max(first, first_token_);
    const int64_t width = to.row_elements();
    if (begin < first + count)
      std::copy_n(rows + (begin - first) * width, (first + count - begin) * width, to.row(begin - first_token_));
  }

  const Engine::Impl& model_;
  int64_t first_token_;
  int64_t tokens_;
  int64_t logit_rows_ = 0;
  Tensor logits_;  // [logit rows, vocab]
  Tensor hidden_;  // [tokens, hidden]
  std::vector<Tensor> layers_;
};

Status run(const decoder::Decoder& decoder, const RunContext& outer, Pass& pass, Collector& collector) {
  const Tap collect = [&](const TapPoint& point, const TensorView& rows) {
    if (outer.tap != nullptr) (*outer.tap)(point, rows);
    if (point.stage != Stage::layer_output) return;
    collector.add_layer(point.layer, point.first_token, rows.as<float>(), rows.shape[0]);
  };
  RunContext context = outer;
  if (collector.wants_layers()) context.tap = &collect;
  const int64_t tokens = pass.input.tokens();
  for (int64_t begin = 0; begin < tokens;) {
    const int64_t end = engine::chunk_end(pass.prompt, begin, engine::kPrefillTokens);
    const decoder::SequenceChunk chunk{&pass.input, &pass.positions, pass.encoding.get(), begin, end, &pass.state,
                                       0,           &pass.all};
    const int64_t first = pass.state.length();
    AZ_ASSIGN_OR_RETURN(const Tensor hidden, decoder.forward({&chunk, 1}, context.share(begin, end - begin, tokens)));
    AZ_RETURN_IF_ERROR(collector.add_rows(first, hidden.data(), end - begin, context));
    begin = end;
  }
  return ok_status();
}

// Tokens that a call brings, on their way into the decoder.
struct NewTokens {
  PreparedSample sample;
  PositionTable cached;  // positions of the tokens in the cache
  decoder::DecoderInput input;
};

std::vector<const MediaFeatures*> pointers_to(const std::vector<engine::SharedMediaFeatures>& shared) {
  std::vector<const MediaFeatures*> out;
  for (const engine::SharedMediaFeatures& each : shared) out.push_back(each.get());
  return out;
}

// Encodes the media of the call and puts their features among its tokens.
Status inject_media(const Engine::Impl& model, const Request& request, const ForwardOptions& options,
                    const RunContext& context, NewTokens& tokens) {
  engine::MediaKeys keys;
  engine::KnownFeatures known;
  if (!request.hooks.changes_states()) {
    keys = engine::media_keys(tokens.sample, *model.pool);
    if (!request.hooks.watches() && model.options.feature_cache_bytes > 0) known.cache = model.features.get();
  }
  AZ_ASSIGN_OR_RETURN(const engine::EncodedMedia media,
                      engine::encode_shared(model, tokens.sample, keys, known, context));
  const std::vector<const MediaFeatures*> images = pointers_to(media.features.images);
  const std::vector<const MediaFeatures*> videos = pointers_to(media.features.videos);
  if (options.embeddings.data == nullptr) {
    AZ_ASSIGN_OR_RETURN(tokens.input, decoder::inject(*model.decoder, tokens.sample.prompt, images, videos));
    return ok_status();
  }
  Tensor rows({options.embeddings.shape[0], options.embeddings.shape[1]});
  std::copy_n(options.embeddings.data.get(), rows.elements(), rows.data());
  AZ_ASSIGN_OR_RETURN(tokens.input,
                      decoder::inject(*model.decoder, tokens.sample.prompt, std::move(rows), images, videos));
  return ok_status();
}

// Features outside of the sequence: those of the cache stay, and the call's tokens see what its last one saw.
Status go_on_outside(const CachedSequence* before, decoder::OuterFeatures& features, int64_t tokens) {
  if (before == nullptr) return ok_status();
  if (features.rows != nullptr) {
    return unsupported(
        "pictures that tokens attend to outside of the sequence expected to come with its first call, found some "
        "behind a cache; give all tokens in one call");
  }
  if (!before->outside.empty()) features.ranges.assign(static_cast<size_t>(tokens), before->outside.back());
  return ok_status();
}

// The frequencies that the sequence has with its new tokens.
Result<PolicyChoice> choice_for(const Engine::Impl& model, const engine::SequenceOptions& options,
                                const CachedSequence* before, const PositionTable& all, int64_t& length) {
  length = engine::length_of(all);
  if (options.frequencies == engine::FrequencyMode::as_reference && before != nullptr)
    length = std::max(length, before->length);
  return engine::choose_policy(model, options.policy, length);
}

// The whole sequence again: inputs of the tokens in the cache, then those of the call.
Result<Pass> whole_pass(const Engine::Impl& model, const CachedSequence& before, const NewTokens& tokens, Pass pass) {
  if (before.history == nullptr) {
    return unsupported("the frequencies of this model change at a length of " +
                       std::to_string(engine::length_of(pass.all)) + ", and a cache that was read from a file cannot " +
                       "be computed again; give all tokens to a new cache");
  }
  const int64_t cached = before.tokens();
  const int64_t hidden = model.spec.text.hidden;
  decoder::DecoderInput input;
  input.hidden = Tensor({cached + tokens.input.tokens(), hidden});
  float* const behind = std::copy_n(before.history->rows.data(), cached * hidden, input.hidden.data());
  std::copy_n(tokens.input.hidden.data(), tokens.input.hidden.elements(), behind);
  input.streams = engine::streams_before(before.history->streams, cached);
  for (const decoder::LayerStream& stream : tokens.input.streams) {
    decoder::LayerStream copy{stream.layer, stream.tokens, stream.rows.clone()};
    for (int64_t& token : copy.tokens) token += cached;
    input.streams.push_back(std::move(copy));
  }
  pass.prompt.ids = before.prompt.ids;
  pass.prompt.ids.insert(pass.prompt.ids.end(), tokens.sample.prompt.ids.begin(), tokens.sample.prompt.ids.end());
  std::vector<std::pair<int64_t, int64_t>> regions = before.prompt.closed_regions;
  for (const auto& [begin, end] : tokens.sample.prompt.closed_regions)
    regions.emplace_back(begin + cached, end + cached);
  pass.prompt.closed_regions = regions;
  input.regions = std::move(regions);
  input.ids = pass.prompt.ids;
  pass.input = std::move(input);
  pass.positions = pass.all;
  pass.state = model.decoder->new_cache(before.options.keys);
  return pass;
}

std::shared_ptr<const InputHistory> history_of(const CachedSequence* before, const decoder::DecoderInput& input) {
  auto history = std::make_shared<InputHistory>();
  int64_t cached = 0;
  if (before != nullptr) {
    if (before->history == nullptr) return nullptr;
    history->rows = before->history->rows;
    history->streams = engine::streams_before(before->history->streams, before->tokens());
    cached = before->tokens();
  }
  history->rows.insert(history->rows.end(), input.hidden.data(), input.hidden.data() + input.hidden.elements());
  for (const decoder::LayerStream& stream : input.streams) {
    decoder::LayerStream copy{stream.layer, stream.tokens, stream.rows.clone()};
    for (int64_t& token : copy.tokens) token += cached;
    history->streams.push_back(std::move(copy));
  }
  return history;
}

// The sequence with the call's tokens in it.
CachedSequence grown(const CachedSequence* before, const NewTokens& tokens, Pass&& pass,
                     const engine::SequenceOptions& options, const std::string& policy, int64_t length, bool edited) {
  const Prompt& prompt = tokens.sample.prompt;
  CachedSequence next{options,
                      policy,
                      tokens.sample.compat,
                      {},
                      std::move(pass.all),
                      edited,
                      std::move(pass.encoding),
                      length,
                      std::move(pass.state),
                      {},
                      0,
                      nullptr};
  const int64_t cached = before == nullptr ? 0 : before->tokens();
  if (before != nullptr) {
    next.own_positions = edited || before->own_positions;
    next.prompt = before->prompt;
    next.outside = before->outside;
    next.first_outside = before->first_outside;
  }
  next.prompt.ids.insert(next.prompt.ids.end(), prompt.ids.begin(), prompt.ids.end());
  next.prompt.spans = engine::joined(next.prompt.spans, prompt.spans, cached);
  for (const auto& [begin, end] : prompt.closed_regions)
    next.prompt.closed_regions.emplace_back(begin + cached, end + cached);
  const decoder::OuterFeatures& features = tokens.input.features;
  next.outside.insert(next.outside.end(), features.ranges.begin(), features.ranges.end());
  if (before == nullptr) next.first_outside = features.first_token;
  return next;
}

// One call, from its request to what it leaves in the cache.
class Forward {
 public:
  Forward(const Engine::Impl& model, const Request& request, const ForwardOptions& options,
          std::optional<CachedSequence>* cache)
      : model_(model), request_(request), options_(options), cache_(cache), taps_(request.hooks) {
    if (cache != nullptr && *cache) before_ = &**cache;
  }

  Result<ForwardOutput> run_call() {
    AZ_ASSIGN_OR_RETURN(const PolicyChoice policy, choose_setting());
    AZ_RETURN_IF_ERROR(read_tokens(policy));
    AZ_RETURN_IF_ERROR(inject_media(model_, request_, options_, context("vision"), tokens_));
    const int64_t count = tokens_.input.tokens();
    AZ_RETURN_IF_ERROR(go_on_outside(before_, tokens_.input.features, count));
    AZ_RETURN_IF_ERROR(enter());
    std::shared_ptr<const InputHistory> history;
    if (engine::depends_on_length(model_.spec.text)) history = history_of(before_, tokens_.input);
    AZ_ASSIGN_OR_RETURN(Pass pass, make_pass());
    Collector collector(model_, options_, cached(), count);
    AZ_RETURN_IF_ERROR(run(*model_.decoder, context("prefill"), pass, collector));
    if (cache_ != nullptr) {
      const bool edited = request_.position_ids || request_.hooks.on_positions;
      CachedSequence next = grown(before_, tokens_, std::move(pass), setting_, policy_, length_, edited);
      next.history = std::move(history);
      *cache_ = std::move(next);
    }
    return std::move(collector).finish();
  }

 private:
  int64_t cached() const { return before_ == nullptr ? 0 : before_->tokens(); }

  RunContext context(std::string_view stage) const {
    RunContext context{*model_.pool, nullptr, options_.cancel, {}};
    taps_.attach(context);
    if (options_.progress) {
      context.progress = [this, stage](double fraction) { options_.progress(stage, fraction); };
    }
    return context;
  }

  Result<PolicyChoice> choose_setting() {
    AZ_ASSIGN_OR_RETURN(setting_, engine::sequence_options(request_));
    if (before_ == nullptr) {
      AZ_ASSIGN_OR_RETURN(PolicyChoice choice, engine::choose_policy(model_, request_.positions));
      policy_ = choice.policy.spelling();
      return choice;
    }
    const std::string asked = request_.positions.empty() ? before_->policy : request_.positions;
    AZ_ASSIGN_OR_RETURN(PolicyChoice choice, engine::choose_policy(model_, asked));
    Compat compat = before_->compat;
    if (!request_.compat.empty()) {
      AZ_ASSIGN_OR_RETURN(compat, parse_compat(request_.compat));
    }
    AZ_RETURN_IF_ERROR(check_setting(request_, setting_, choice, compat, *before_));
    setting_ = before_->options;
    policy_ = before_->policy;
    return choice;
  }

  Status read_tokens(const PolicyChoice& policy) {
    const CancelScope scope(options_.cancel);
    Request request = request_;
    if (before_ != nullptr) request.compat = compat_name(before_->compat);
    if (options_.embeddings.data != nullptr) {
      AZ_ASSIGN_OR_RETURN(tokens_.sample, engine::prepare_embeddings(model_, request, options_.embeddings));
    } else {
      AZ_ASSIGN_OR_RETURN(tokens_.sample, engine::prepare_prompt(model_, request));
    }
    if (CancelScope::requested()) return cancelled("stopped on request");
    // What follows a prompt whose tokens all see each other is an answer to it.
    if (before_ != nullptr && model_.spec.prompt.closed_regions == ClosedRegions::whole_prompt)
      tokens_.sample.prompt.closed_regions.clear();
    AZ_RETURN_IF_ERROR(check_room(model_.spec.text, cached(), static_cast<int64_t>(tokens_.sample.prompt.ids.size())));
    return engine::lay_out_call(model_, request, policy, before_, tokens_.sample, tokens_.cached);
  }

  // Hook 2.
  Status enter() {
    const RunContext context = this->context("prefill");
    return engine::enter_decoder(context, 0, cached(), tokens_.sample.prompt.spans, tokens_.sample.positions,
                                 tokens_.input);
  }

  Result<Pass> make_pass() {
    Pass pass{{}, {}, {}, {}, nullptr, model_.decoder->new_cache(setting_.keys)};
    pass.positions = tokens_.sample.positions;
    pass.all = engine::appended(tokens_.cached, tokens_.sample.positions);
    pass.prompt.ids = tokens_.sample.prompt.ids;
    pass.prompt.closed_regions = tokens_.sample.prompt.closed_regions;
    AZ_ASSIGN_OR_RETURN(const PolicyChoice choice, choice_for(model_, setting_, before_, pass.all, length_));
    pass.encoding = choice.encoding;
    if (before_ != nullptr) {
      const bool again = setting_.frequencies == engine::FrequencyMode::rerotate &&
                         !engine::same_frequencies(*choice.encoding, *before_->encoding);
      if (again) return whole_pass(model_, *before_, tokens_, std::move(pass));
      pass.state = before_->state;
    }
    pass.input = std::move(tokens_.input);
    tokens_.input.features = pass.input.features;
    return pass;
  }

  const Engine::Impl& model_;
  const Request& request_;
  const ForwardOptions& options_;
  std::optional<CachedSequence>* cache_;    // or nullptr
  const CachedSequence* before_ = nullptr;  // what the cache holds; nullptr while it is empty
  engine::HookTaps taps_;
  engine::SequenceOptions setting_;
  std::string policy_;
  int64_t length_ = 0;
  NewTokens tokens_;
};

Status check_options(const Engine::Impl& model, const ForwardOptions& options, const Cache* cache) {
  if (!model.decoder) return invalid_argument("forward expected an engine with weights, found one loaded without");
  if (cache != nullptr && &cache->impl().model != &model) {
    return invalid_argument("forward expected a cache of the same engine, found another engine's");
  }
  if (options.logit_rows >= kAllRows) return ok_status();
  return invalid_argument("logit_rows expected 0 or more, or -1 for all, found " + std::to_string(options.logit_rows));
}

}  // namespace

Result<ForwardOutput> forward(const Engine& engine, const Request& request, const ForwardOptions& options,
                              Cache* cache) {
  const Engine::Impl& model = engine.impl();
  AZ_RETURN_IF_ERROR(check_options(model, options, cache));
  Forward call(model, request, options, cache == nullptr ? nullptr : &cache->impl().sequence);
  return call.run_call();
}

Result<FloatArray> embed_tokens(const Engine& engine, std::span<const int32_t> ids) {
  const Engine::Impl& model = engine.impl();
  if (!model.decoder) return invalid_argument("embed_tokens expected an engine with weights, found one loaded without");
  AZ_ASSIGN_OR_RETURN(Tensor rows, model.decoder->embed(ids));
  return engine::array_of(std::move(rows));
}

}  // namespace azimuth
