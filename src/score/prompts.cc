#include "score/prompts.h"

#include <algorithm>
#include <optional>
#include <set>

#include "decoder/cache_part.h"
#include "decoder/inject.h"
#include "decoder/score_term.h"
#include "kernels/kv_blocks.h"

namespace azimuth::scoring {
namespace {

std::vector<const MediaFeatures*> pointers_to(const std::vector<engine::SharedMediaFeatures>& shared) {
  std::vector<const MediaFeatures*> out;
  for (const engine::SharedMediaFeatures& each : shared) out.push_back(each.get());
  return out;
}

// A prompt on its way into the cache.
struct Reading {
  engine::Sequence sequence;
  engine::PrefixChain chain;
  bool shares = false;  // its start with the engine's cache
  int64_t media = 0;
  int64_t cached_tokens = 0;
  int64_t cached_media = 0;
  Tensor last = {};  // [1, hidden]
};

class PromptReader {
 public:
  PromptReader(const Engine::Impl& model, const RunContext& context) : model_(model), context_(context) {}

  Result<Reading> start(PromptTask& task, const RunContext& context) const {
    const Hooks& hooks = task.request->hooks;
    const bool shares = !hooks.changes_states() && !hooks.watches();
    engine::KnownFeatures known;
    if (shares && model_.options.feature_cache_bytes > 0) known.cache = model_.features.get();
    const engine::PreparedSample& sample = task.ready.sample;
    AZ_ASSIGN_OR_RETURN(engine::EncodedMedia media,
                        engine::encode_shared(model_, sample, task.ready.keys, known, context));
    AZ_ASSIGN_OR_RETURN(decoder::DecoderInput input,
                        decoder::inject(*model_.decoder, sample.prompt, pointers_to(media.features.images),
                                        pointers_to(media.features.videos)));
    AZ_ASSIGN_OR_RETURN(engine::Sequence sequence,
                        engine::start_sequence(model_, task.ready.options, sample, std::move(input)));
    sequence.encoding = task.ready.policy.encoding;
    sequence.growth = {};
    Reading reading{std::move(sequence), {}, shares};
    reading.media = static_cast<int64_t>(sample.images.size() + sample.videos.size());
    reading.cached_media = media.cached_images + media.cached_videos;
    if (shares) reading.chain = chain_of(task.ready, reading.sequence);
    task.ready.sample = {};
    AZ_RETURN_IF_ERROR(engine::enter_decoder(context, 0, reading.sequence));
    return reading;
  }

  // Runs what is not known of the prompts.
  Status read(const std::vector<Reading*>& readings, const RunContext& context) const {
    std::vector<engine::Sequence> sequences;
    for (Reading* reading : readings) {
      take_start(*reading);
      reading->last = Tensor({1, model_.spec.text.hidden});
      sequences.push_back(std::move(reading->sequence));
    }
    const auto after_pass = [&](int index, int64_t, const float* rows, int64_t count) {
      Reading& reading = *readings[static_cast<size_t>(index)];
      const engine::Sequence& sequence = sequences[static_cast<size_t>(index)];
      std::copy_n(rows + (count - 1) * reading.last.elements(), reading.last.elements(), reading.last.data());
      const int64_t length = sequence.cache.length();
      const bool ends = length == sequence.input.tokens() || std::ranges::binary_search(sequence.stops, length);
      if (reading.shares && ends) model_.prefixes->keep(reading.chain, sequence.cache);
      return ok_status();
    };
    const Status status = engine::prefill(*model_.decoder, sequences, context, after_pass);
    for (size_t i = 0; i < readings.size(); ++i) readings[i]->sequence = std::move(sequences[i]);
    return status;
  }

 private:
  // Keys and values of a term with segments are left behind as it goes on, so that they are nobody's start.
  engine::PrefixChain chain_of(const ReadyPrompt& ready, const engine::Sequence& sequence) const {
    const auto& term = sequence.encoding->score_term;
    if (term != nullptr && term->segments() != nullptr) return {};
    return engine::prefix_chain({model_.options.dtype, ready.sample.compat, ready.policy.policy.spelling()}, sequence,
                                sequence.prompt.ids, ready.keys);
  }

  // The last token is always computed: its hidden state is what a completion's first token is judged by.
  void take_start(Reading& reading) const {
    if (!reading.shares) return;
    engine::Sequence& sequence = reading.sequence;
    if (decoder::has_recurrent_states(sequence.cache))
      sequence.stops = engine::snapshot_stops(reading.chain, sequence.prompt);
    reading.cached_tokens = model_.prefixes->take(reading.chain, sequence.input.tokens() - 1, sequence.cache);
  }

  const Engine::Impl& model_;
  const RunContext& context_;
};

// Prompts that begin as one before them, which the engine's cache is about to get, come second.
std::vector<std::vector<Reading*>> waves(std::vector<Reading>& readings) {
  std::vector<std::vector<Reading*>> out(2);
  std::set<ContentHash> begun;
  for (Reading& reading : readings) {
    const std::vector<engine::PrefixUnit> parts = reading.chain.parts();
    const bool waits = !parts.empty() && !begun.insert(parts.front().key).second;
    out[waits ? 1 : 0].push_back(&reading);
  }
  return out;
}

}  // namespace

Result<std::vector<SharedPrompt>> read_prompts(const Engine::Impl& model, std::vector<PromptTask> tasks,
                                               const RunContext& context) {
  const PromptReader reader(model, context);
  const auto count = static_cast<int64_t>(tasks.size());
  std::vector<Reading> readings;
  for (int64_t i = 0; i < count; ++i) {
    PromptTask& task = tasks[static_cast<size_t>(i)];
    Result<Reading> reading = reader.start(task, context.share(i, 1, 2 * count));
    if (!reading.ok()) return reading.status().with_context(task.name);
    readings.push_back(std::move(*reading));
  }
  int64_t done = count;
  for (const std::vector<Reading*>& wave : waves(readings)) {
    const auto part = static_cast<int64_t>(wave.size());
    if (part == 0) continue;
    AZ_RETURN_IF_ERROR(reader.read(wave, context.share(done, part, 2 * count)));
    done += part;
  }
  std::vector<SharedPrompt> prompts;
  for (Reading& reading : readings) {
    reading.sequence.input.hidden = {};
    reading.sequence.input.streams.clear();
    reading.sequence.input.features.rows = nullptr;
    prompts.push_back(
        std::make_shared<const ReadPrompt>(ReadPrompt{std::move(reading.sequence), std::move(reading.last),
                                                      reading.media, reading.cached_tokens, reading.cached_media}));
  }
  return prompts;
}

CacheSizes cache_sizes(const Engine::Impl& model) {
  CacheSizes sizes;
  const auto bytes = [&](kernels::KvRole role, const LayerSpec& layer, int width) {
    return kernels::KvLayout{role, model.cache, layer.kv_heads, width}.token_bytes();
  };
  for (const LayerSpec& layer : model.spec.text.layers) {
    if (layer.mixer == MixerKind::linear_attention) {
      const decoder::RecurrentState state = decoder::RecurrentState::empty(*layer.linear);
      sizes.fixed += static_cast<int64_t>((state.inputs.size() + state.memory.size()) * sizeof(float));
    } else if (layer.kv_source < 0 && layer.mixer == MixerKind::attention) {
      sizes.token +=
          bytes(kernels::KvRole::keys, layer, layer.head_dim) + bytes(kernels::KvRole::values, layer, layer.value_dim);
    }
  }
  return sizes;
}

int64_t prompt_bytes(const Engine::Impl& model, const Outline& outline) {
  const CacheSizes sizes = cache_sizes(model);
  const int64_t row = model.spec.text.hidden * int64_t{sizeof(float)};
  const int64_t levels = model.spec.vision ? static_cast<int64_t>(model.spec.vision->deepstack.size()) : 0;
  // Hidden rows of every token; features and DeepStack's rows of media, once as they are and once in their places.
  return outline.prompt_tokens * (sizes.token + row) + outline.media_tokens * row * (1 + 2 * levels) + sizes.fixed +
         outline.pixel_bytes;
}

}  // namespace azimuth::scoring
