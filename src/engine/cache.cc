#include "azimuth/cache.h"

#include <algorithm>

#include "engine/cache_impl.h"

namespace azimuth {
namespace {

using engine::CachedSequence;

// Spans of the tokens before `tokens`. A medium that is cut keeps what is left of it.
std::vector<Span> spans_before(const std::vector<Span>& spans, int64_t tokens) {
  std::vector<Span> kept;
  for (const Span& span : spans) {
    if (span.begin >= tokens) break;
    kept.push_back(span);
    kept.back().end = std::min(span.end, tokens);
  }
  return kept;
}

bool cuts_medium(const std::vector<Span>& spans, int64_t tokens) {
  return std::ranges::any_of(spans, [tokens](const Span& span) {
    return span.kind != SpanKind::text && span.begin < tokens && tokens < span.end;
  });
}

// `follows`: further ids follow from those that are left, not from the policy.
void trim_positions(int64_t tokens, bool follows, PositionTable& table) {
  for (PositionSet& set : table.sets) {
    set.ids.resize(static_cast<size_t>(tokens * set.axes));
    if (!follows) continue;
    set.next_text = set.next_decode = static_cast<double>(*std::ranges::max_element(set.ids)) + 1.0;
  }
}

std::shared_ptr<const engine::InputHistory> trimmed(const engine::InputHistory& history, int64_t tokens,
                                                    int64_t hidden) {
  auto out = std::make_shared<engine::InputHistory>();
  out->rows.assign(history.rows.begin(), history.rows.begin() + static_cast<std::ptrdiff_t>(tokens * hidden));
  out->streams = engine::streams_before(history.streams, tokens);
  return out;
}

}  // namespace

namespace engine {

std::vector<decoder::LayerStream> streams_before(const std::vector<decoder::LayerStream>& streams, int64_t tokens) {
  std::vector<decoder::LayerStream> out;
  for (const decoder::LayerStream& stream : streams) {
    decoder::LayerStream kept;
    kept.layer = stream.layer;
    kept.tokens.assign(stream.tokens.begin(), std::ranges::lower_bound(stream.tokens, tokens));
    kept.rows = Tensor({static_cast<int64_t>(kept.tokens.size()), stream.rows.row_elements()});
    std::copy_n(stream.rows.data(), kept.rows.elements(), kept.rows.data());
    if (!kept.tokens.empty()) out.push_back(std::move(kept));
  }
  return out;
}

}  // namespace engine

Cache::Cache(const Engine& engine) : impl_(std::make_unique<Impl>(Impl{engine.impl(), {}})) {}
Cache::Cache(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Cache::Cache(Cache&&) noexcept = default;
Cache& Cache::operator=(Cache&&) noexcept = default;
Cache::~Cache() = default;

int64_t Cache::length() const {
  return impl_->sequence ? impl_->sequence->state.length() : 0;
}

size_t Cache::bytes() const {
  return impl_->sequence ? impl_->sequence->state.bytes() : 0;
}

std::vector<int32_t> Cache::ids() const {
  return impl_->sequence ? impl_->sequence->prompt.ids : std::vector<int32_t>();
}

std::string Cache::policy() const {
  return impl_->sequence ? impl_->sequence->policy : std::string();
}

Cache Cache::fork() const {
  return Cache(std::make_unique<Impl>(*impl_));
}

Status Cache::trim(int64_t tokens) {
  if (tokens < 0 || tokens > length()) {
    return out_of_range("a cache of " + std::to_string(length()) + " tokens expected a length of 0 to " +
                        std::to_string(length()) + " to be trimmed to, found " + std::to_string(tokens));
  }
  if (tokens == length()) return ok_status();
  if (tokens == 0) {
    impl_->sequence.reset();
    return ok_status();
  }
  CachedSequence& sequence = *impl_->sequence;
  for (const auto& [begin, end] : sequence.prompt.closed_regions) {
    if (tokens <= begin || end <= tokens) continue;
    return unsupported("a cache expected to be cut where tokens do not see each other in both directions, found " +
                       std::to_string(tokens) + " between " + std::to_string(begin) + " and " + std::to_string(end) +
                       "; trim to one of these");
  }
  if (!sequence.outside.empty() && tokens <= sequence.first_outside) {
    return unsupported(
        "a cache whose tokens attend to pictures outside of the sequence expected to keep the first of " +
        std::string("them, at token ") + std::to_string(sequence.first_outside) + ", found a length of " +
        std::to_string(tokens) + "; trim to 0 and give the tokens again");
  }
  AZ_RETURN_IF_ERROR(sequence.state.truncate(tokens));
  sequence.own_positions = sequence.own_positions || cuts_medium(sequence.prompt.spans, tokens);
  trim_positions(tokens, sequence.own_positions, sequence.positions);
  sequence.prompt.ids.resize(static_cast<size_t>(tokens));
  sequence.prompt.spans = spans_before(sequence.prompt.spans, tokens);
  std::erase_if(sequence.prompt.closed_regions, [tokens](const auto& region) { return region.second > tokens; });
  if (!sequence.outside.empty()) sequence.outside.resize(static_cast<size_t>(tokens));
  if (sequence.history) sequence.history = trimmed(*sequence.history, tokens, impl_->model.spec.text.hidden);
  return ok_status();
}

}  // namespace azimuth
