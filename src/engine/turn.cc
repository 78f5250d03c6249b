#include "engine/turn.h"

#include <algorithm>

#include "engine/policy_choice.h"

namespace azimuth::engine {
namespace {

bool same_pixels(const preprocess::Patches& a, const preprocess::Patches& b) {
  return a.grid == b.grid && a.pixels.shape() == b.pixels.shape() &&
         std::equal(a.pixels.data(), a.pixels.data() + a.pixels.elements(), b.pixels.data());
}

bool same_pixels(const preprocess::MediaPixels& a, const preprocess::MediaPixels& b) {
  return std::ranges::equal(a.tiles, b.tiles, [](const auto& x, const auto& y) { return same_pixels(x, y); }) &&
         std::ranges::equal(a.blocks, b.blocks, {}, &FeatureBlock::features, &FeatureBlock::features);
}

const preprocess::MediaPixels& pixels_of(const preprocess::MediaPixels& image) {
  return image;
}
const preprocess::MediaPixels& pixels_of(const preprocess::VideoPixels& video) {
  return video.media;
}

template <typename Media>
std::vector<int> match(const std::vector<Media>& now, const std::vector<Media>* before) {
  std::vector<int> found(now.size(), -1);
  if (before == nullptr) return found;
  for (size_t i = 0; i < now.size(); ++i) {
    for (size_t j = 0; j < before->size() && found[i] < 0; ++j) {
      if (same_pixels(pixels_of(now[i]), pixels_of((*before)[j]))) found[i] = static_cast<int>(j);
    }
  }
  return found;
}

// Tokens at the start of both prompts with the same ids and media.
int64_t common_content(const Turn& before, const Prompt& prompt, const MediaMatch& media) {
  int64_t length = std::min<int64_t>({static_cast<int64_t>(before.ids.size()),
                                      static_cast<int64_t>(prompt.ids.size()) - 1, before.sequence.cache.length()});
  length =
      std::mismatch(prompt.ids.begin(), prompt.ids.begin() + length, before.ids.begin()).first - prompt.ids.begin();
  for (const Span& span : prompt.spans) {
    if (span.kind == SpanKind::text) continue;
    const std::vector<int>& matches = span.kind == SpanKind::video ? media.videos : media.images;
    if (matches[static_cast<size_t>(span.media)] != span.media) return std::min(length, span.begin);
  }
  return length;
}

// Tokens in front of a cross-attended picture see it, too: then nothing fits unless all pictures do.
bool sees_other_pictures(const Turn& before, const Prompt& prompt, const MediaMatch& media) {
  const bool crosses =
      std::ranges::any_of(prompt.spans, [](const Span& span) { return span.delivery == Delivery::cross; });
  if (!crosses && before.sequence.input.features.ranges.empty()) return false;
  for (size_t i = 0; i < media.images.size(); ++i) {
    if (media.images[i] != static_cast<int>(i)) return true;
  }
  return media.images.size() != before.sample.images.size();
}

bool same_sets(const PositionTable& a, const PositionTable& b) {
  return a.set_of_layer == b.set_of_layer &&
         std::ranges::equal(a.sets, b.sets, {}, &PositionSet::axes, &PositionSet::axes);
}

bool has_position(const Turn& before, const PositionTable& positions, int64_t token) {
  for (size_t i = 0; i < positions.sets.size(); ++i) {
    const PositionSet& set = positions.sets[i];
    std::vector<float> old(static_cast<size_t>(set.axes));
    before.position(token, i, old.data());
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

void Turn::position(int64_t index, size_t set, float* out) const {
  const PositionSet& known = sequence.positions.sets[set];
  if (index < known.tokens()) {
    std::copy_n(known.token(index), known.axes, out);
  } else {
    known.decode_ids(index - known.tokens(), out);
  }
}

MediaMatch match_media(const PreparedSample& now, const Turn* before) {
  return {match(now.images, before == nullptr ? nullptr : &before->sample.images),
          match(now.videos, before == nullptr ? nullptr : &before->sample.videos)};
}

Reuse find_reuse(const Turn& before, const Sequence& next, const std::string& policy, const MediaMatch& media) {
  const Sequence& old = before.sequence;
  if (before.hooked || old.cache.key_storage() != next.cache.key_storage()) return {};
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
  return reuse;
}

}  // namespace azimuth::engine
