#include "score/outline.h"

#include <algorithm>

#include "engine/sequence.h"

namespace azimuth::scoring {
namespace {

int64_t bytes_of(const preprocess::MediaPixels& media) {
  int64_t bytes = 0;
  for (const preprocess::Patches& tile : media.tiles) bytes += tile.pixels.elements() * int64_t{sizeof(float)};
  return bytes;
}

int64_t pixel_bytes(const engine::PreparedSample& sample) {
  int64_t bytes = 0;
  for (const preprocess::MediaPixels& image : sample.images) bytes += bytes_of(image);
  for (const preprocess::VideoPixels& video : sample.videos) bytes += bytes_of(video.media);
  return bytes;
}

Result<std::vector<int32_t>> completion_ids(const Engine::Impl& model, const ScoreSample& sample) {
  if (!sample.completion_ids) {
    text::EncodeOptions literal;
    literal.parse_special = false;
    Result<std::vector<int32_t>> ids = model.tokenizer->encode(sample.completion, literal);
    if (!ids.ok()) return ids.status().with_context("completion");
    return ids;
  }
  if (!sample.completion.empty()) {
    return invalid_argument("a sample expected a completion as text or as ids, found both");
  }
  return *sample.completion_ids;
}

Status check_completion(const Engine::Impl& model, const std::vector<int32_t>& ids) {
  const int64_t vocab = model.spec.text.vocab;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (0 <= ids[i] && ids[i] < vocab) continue;
    return out_of_range("token " + std::to_string(i) + " of the completion expected an id in [0, " +
                        std::to_string(vocab) + "), the tokens that the model can write, found " +
                        std::to_string(ids[i]));
  }
  return ok_status();
}

Status check_room(const Engine::Impl& model, int64_t prompt, int64_t completion) {
  const int64_t context = model.spec.text.context_length;
  if (prompt + completion <= context) return ok_status();
  return resource_exhausted("a prompt of " + std::to_string(prompt) + " tokens and a completion of " +
                            std::to_string(completion) + " expected to fit into the model's context of " +
                            std::to_string(context) + " tokens; shorten one of them, or use fewer or smaller pictures");
}

// Id that a text token behind everything would have: what frequencies that follow the length look at.
int64_t full_length(const PositionTable& positions, int64_t completion_tokens) {
  const int64_t prompt = engine::length_of(positions);
  if (completion_tokens == 0) return prompt;
  return std::max(prompt, engine::length_of(completion_positions(positions, completion_tokens - 1, 1)));
}

void add(const Span& span, ContentHasher& hasher) {
  hasher.number(static_cast<int64_t>(span.kind));
  hasher.number(span.begin);
  hasher.number(span.end);
  hasher.number(span.media);
  hasher.number(static_cast<int64_t>(span.delivery));
}

void add(const PositionTable& positions, ContentHasher& hasher) {
  hasher.values(std::span(positions.set_of_layer));
  hasher.number(static_cast<int64_t>(positions.sets.size()));
  for (const PositionSet& set : positions.sets) {
    hasher.number(set.axes);
    hasher.number(set.text_axes);
    hasher.values(std::span(set.ids));
    hasher.values(std::span(&set.next_text, 1));
  }
}

// Of everything that the decoder's states behind the prompt, and the positions of what follows, depend on.
ContentHash key_of(const Engine::Impl& model, const ReadyPrompt& ready, int64_t completion_tokens) {
  const engine::PreparedSample& sample = ready.sample;
  ContentHasher hasher("scored prompt");
  hasher.values(std::span<const int32_t>(sample.prompt.ids));
  hasher.number(static_cast<int64_t>(sample.prompt.spans.size()));
  for (const Span& span : sample.prompt.spans) add(span, hasher);
  hasher.number(static_cast<int64_t>(sample.prompt.closed_regions.size()));
  for (const auto& [begin, end] : sample.prompt.closed_regions) {
    hasher.number(begin);
    hasher.number(end);
  }
  for (const auto* keys : {&ready.keys.images, &ready.keys.videos}) {
    hasher.number(static_cast<int64_t>(keys->size()));
    for (const ContentHash& key : *keys) hasher.hash(key);
  }
  add(sample.positions, hasher);
  hasher.text(ready.policy.policy.spelling());
  hasher.number(static_cast<int64_t>(sample.compat));
  hasher.number(static_cast<int64_t>(ready.options.keys));
  hasher.number(static_cast<int64_t>(ready.options.frequencies));
  hasher.number(engine::effective_length(model.spec.text, full_length(sample.positions, completion_tokens)));
  return hasher.finish();
}

}  // namespace

PositionTable completion_positions(const PositionTable& prompt, int64_t first, int64_t count) {
  PositionTable next;
  next.set_of_layer = prompt.set_of_layer;
  next.integral = prompt.integral;
  for (const PositionSet& from : prompt.sets) {
    PositionSet set;
    set.axes = from.axes;
    set.text_axes = from.text_axes;
    set.next_text = set.next_decode = from.next_text;
    next.sets.push_back(std::move(set));
  }
  return engine::generated_positions(next, first, count);
}

Result<ReadyPrompt> ready_prompt(const Engine::Impl& model, const Request& request, int64_t completion_tokens) {
  ReadyPrompt ready;
  AZ_ASSIGN_OR_RETURN(ready.options, engine::sequence_options(request));
  AZ_ASSIGN_OR_RETURN(ready.policy, engine::choose_policy(model, request.positions));
  AZ_ASSIGN_OR_RETURN(ready.sample, engine::prepare(model, request, ready.policy));
  if (engine::depends_on_length(model.spec.text)) {
    AZ_ASSIGN_OR_RETURN(ready.policy, engine::choose_policy(model, request.positions,
                                                            full_length(ready.sample.positions, completion_tokens)));
  }
  if (!request.hooks.changes_states()) ready.keys = engine::media_keys(ready.sample, *model.pool);
  return ready;
}

Result<Outline> outline_sample(const Engine::Impl& model, const ScoreSample& sample) {
  Outline outline;
  AZ_ASSIGN_OR_RETURN(outline.completion, completion_ids(model, sample));
  AZ_RETURN_IF_ERROR(check_completion(model, outline.completion));
  const auto tokens = static_cast<int64_t>(outline.completion.size());
  AZ_ASSIGN_OR_RETURN(ReadyPrompt ready, ready_prompt(model, sample.request, tokens));
  outline.prompt_tokens = static_cast<int64_t>(ready.sample.prompt.ids.size());
  AZ_RETURN_IF_ERROR(check_room(model, outline.prompt_tokens, tokens));
  for (const Span& span : ready.sample.prompt.spans) {
    if (span.kind != SpanKind::text) outline.media_tokens += span.tokens();
  }
  outline.alone = sample.request.hooks.changes_states() || sample.request.hooks.watches();
  outline.pixel_bytes = pixel_bytes(ready.sample);
  outline.key = key_of(model, ready, tokens);
  outline.ready = std::move(ready);
  return outline;
}

}  // namespace azimuth::scoring
