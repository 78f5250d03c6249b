#include "engine/turn.h"

#include <algorithm>

#include "engine/policy_choice.h"

namespace azimuth::engine {
namespace {

// Whether medium `index` of one kind is the same in both.
bool same_medium(const std::vector<ContentHash>& a, const std::vector<ContentHash>& b, int index) {
  const auto i = static_cast<size_t>(index);
  return i < a.size() && i < b.size() && a[i] == b[i];
}

// Tokens at the start of both prompts with the same ids and media.
int64_t common_content(const Turn& before, const Prompt& prompt, const MediaKeys& media) {
  int64_t length = std::min<int64_t>({static_cast<int64_t>(before.ids.size()),
                                      static_cast<int64_t>(prompt.ids.size()) - 1, before.sequence.cache.length()});
  length =
      std::mismatch(prompt.ids.begin(), prompt.ids.begin() + length, before.ids.begin()).first - prompt.ids.begin();
  for (const Span& span : prompt.spans) {
    if (span.kind == SpanKind::text) continue;
    const bool same = span.kind == SpanKind::video ? same_medium(before.media.videos, media.videos, span.media)
                                                   : same_medium(before.media.images, media.images, span.media);
    if (!same) return std::min(length, span.begin);
  }
  return length;
}

// Tokens in front of a cross-attended picture see it, too: then nothing fits unless all pictures do.
bool sees_other_pictures(const Turn& before, const Prompt& prompt, const MediaKeys& media) {
  const bool crosses =
      std::ranges::any_of(prompt.spans, [](const Span& span) { return span.delivery == Delivery::cross; });
  if (!crosses && before.sequence.input.features.ranges.empty()) return false;
  return media.images != before.media.images;
}

bool same_sets(const PositionTable& a, const PositionTable& b) {
  return a.set_of_layer == b.set_of_layer &&
         std::ranges::equal(a.sets, b.sets, {}, &PositionSet::axes, &PositionSet::axes);
}

bool has_position(const Turn& before, const PositionTable& positions, int64_t token) {
  for (size_t i = 0; i < positions.sets.size(); ++i) {
    const PositionSet& set = positions.sets[i];
    std::vector<float> old(static_cast<size_t>(set.axes));
    token_position(before.sequence.positions.sets[i], token, old.data());
    if (!std::equal(old.begin(), old.end(), set.token(token))) return false;
  }
  return true;
}

bool turns_keys_only(const decoder::PositionEncoding& encoding) {
  return encoding.embedding == nullptr && encoding.score_term == nullptr;
}

int64_t closed_boundary(const Prompt& prompt, int64_t length) {
  for (const auto& [first, last] : prompt.closed_regions) {
    if (first < length && length < last) return first;
  }
  return length;
}

}  // namespace

Reuse find_reuse(const Turn& before, const Sequence& next, const std::string& policy, const MediaKeys& media) {
  const Sequence& old = before.sequence;
  if (old.cache.key_storage() != next.cache.key_storage()) return {};
  const bool same_policy = before.policy == policy && same_frequencies(*old.encoding, *next.encoding);
  const bool comparable = same_sets(old.positions, next.positions);
  const bool raw = next.cache.key_storage() == decoder::KeyStorage::raw && turns_keys_only(*old.encoding) &&
                   turns_keys_only(*next.encoding);
  if (!raw && (!same_policy || !comparable || old.growth.mixed)) return {};
  // Re-rotation promises what prefilling the whole sequence gives.
  if (next.growth.encoding_for && !same_frequencies(*old.encoding, *next.encoding)) return {};
  if (sees_other_pictures(before, next.prompt, media)) return {};
  Reuse reuse;
  const int64_t limit = common_content(before, next.prompt, media);
  for (; reuse.tokens < limit; ++reuse.tokens) {
    if (comparable && has_position(before, next.positions, reuse.tokens)) continue;
    if (!raw) break;
    ++reuse.moved;
  }
  reuse.tokens = closed_boundary(next.prompt, reuse.tokens);
  if (!old.cache.can_truncate(reuse.tokens)) return {};
  reuse.moved = std::min(reuse.moved, reuse.tokens);
  reuse.exact = same_policy && reuse.moved == 0;
  return reuse;
}

}  // namespace azimuth::engine
