#include "engine/prefix_key.h"

#include <algorithm>
#include <iterator>

namespace azimuth::engine {
namespace {

const ContentHash& key_of(const Span& span, const MediaKeys& media) {
  return (span.kind == SpanKind::video ? media.videos : media.images)[static_cast<size_t>(span.media)];
}

void add(const FrequencyPlan& plan, ContentHasher& hasher) {
  hasher.number(plan.groups);
  hasher.number(plan.pairs);
  hasher.number(static_cast<int64_t>(plan.pairing));
  hasher.values(std::span(&plan.attention_scale, 1));
  hasher.values(std::span(plan.axis));
  hasher.values(std::span(plan.inv_freq));
}

// Pictures outside of the sequence: what each token sees of them follows from where they stand.
void add_outside(const Prompt& prompt, const MediaKeys& media, ContentHasher& hasher) {
  for (const Span& span : prompt.spans) {
    if (span.kind == SpanKind::text || span.delivery != Delivery::cross) continue;
    hasher.number(span.begin);
    hasher.hash(key_of(span, media));
  }
}

ContentHash root_of(const PrefixSetting& setting, const Sequence& sequence, const MediaKeys& media) {
  ContentHasher hasher("prefix");
  hasher.text(kernels::to_string(kernels::active_level()));
  hasher.text(setting.dtype);
  hasher.number(static_cast<int64_t>(setting.compat));
  hasher.text(setting.policy);
  hasher.number(static_cast<int64_t>(sequence.encoding->ropes.size()));
  for (const auto& rope : sequence.encoding->ropes) add(rope->plan(), hasher);
  hasher.number(static_cast<int64_t>(sequence.cache.key_storage()));
  hasher.values(std::span(sequence.positions.set_of_layer));
  hasher.number(static_cast<int64_t>(sequence.positions.sets.size()));
  for (const PositionSet& set : sequence.positions.sets) hasher.number(set.axes);
  hasher.number(media.images.empty() ? 0 : 1);
  add_outside(sequence.prompt, media, hasher);
  return hasher.finish();
}

bool is_closed(const Prompt& prompt, int64_t end) {
  return std::ranges::none_of(prompt.closed_regions,
                              [end](const auto& region) { return region.first < end && end < region.second; });
}

int64_t end_of_media(const Prompt& prompt) {
  int64_t end = 0;
  for (const Span& span : prompt.spans) {
    if (span.kind != SpanKind::text) end = span.end;
  }
  return end;
}

// Rows of media that stand for tokens.
struct MediaRun {
  const Span* span = nullptr;
  int64_t first_row = 0;  // of the medium, at span->begin
};

std::vector<MediaRun> media_runs(const Prompt& prompt, const MediaKeys& media) {
  std::vector<int64_t> image_rows(media.images.size(), 0);
  std::vector<int64_t> video_rows(media.videos.size(), 0);
  std::vector<MediaRun> runs;
  for (const Span& span : prompt.spans) {
    if (span.kind == SpanKind::text || span.delivery == Delivery::cross) continue;
    int64_t& row = (span.kind == SpanKind::video ? video_rows : image_rows)[static_cast<size_t>(span.media)];
    runs.push_back({&span, row});
    row += span.tokens();
  }
  return runs;
}

class ChainBuilder {
 public:
  ChainBuilder(const Sequence& sequence, std::span<const int32_t> ids, const MediaKeys& media)
      : sequence_(sequence), ids_(ids), media_(media), runs_(media_runs(sequence.prompt, media)) {}

  PrefixUnit unit(const ContentHash& parent, int64_t begin, int64_t end) const {
    ContentHasher hasher("prefix unit");
    hasher.hash(parent);
    hasher.values(ids_.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
    for (const PositionSet& set : sequence_.positions.sets) add_positions(set, begin, end, hasher);
    for (const MediaRun& run : runs_) add_rows(run, begin, end, hasher);
    for (const auto& [first, last] : sequence_.prompt.closed_regions) {
      if (last <= begin || end <= first) continue;
      hasher.text("region");
      hasher.number(first);
      hasher.number(last);
    }
    return {begin, end, hasher.finish()};
  }

 private:
  static void add_positions(const PositionSet& set, int64_t begin, int64_t end, ContentHasher& hasher) {
    std::vector<float> positions(static_cast<size_t>((end - begin) * set.axes));
    for (int64_t token = begin; token < end; ++token)
      token_position(set, token, positions.data() + (token - begin) * set.axes);
    hasher.values(std::span<const float>(positions));
  }

  void add_rows(const MediaRun& run, int64_t begin, int64_t end, ContentHasher& hasher) const {
    const int64_t first = std::max(begin, run.span->begin);
    const int64_t last = std::min(end, run.span->end);
    if (first >= last) return;
    hasher.text("rows");
    hasher.number(first);
    hasher.number(last);
    hasher.hash(key_of(*run.span, media_));
    hasher.number(run.first_row + first - run.span->begin);
  }

  const Sequence& sequence_;
  std::span<const int32_t> ids_;
  const MediaKeys& media_;
  std::vector<MediaRun> runs_;
};

}  // namespace

PrefixChain PrefixChain::up_to(int64_t tokens) const {
  PrefixChain out{root, {}, {}};
  std::ranges::copy_if(units, std::back_inserter(out.units),
                       [&](const PrefixUnit& unit) { return unit.end <= tokens; });
  if (tail && tail->end <= tokens) out.tail = tail;
  return out;
}

std::vector<PrefixUnit> PrefixChain::parts() const {
  std::vector<PrefixUnit> all = units;
  if (tail) all.insert(std::ranges::upper_bound(all, tail->end, {}, &PrefixUnit::end), *tail);
  return all;
}

PrefixChain prefix_chain(const PrefixSetting& setting, const Sequence& sequence, std::span<const int32_t> ids,
                         const MediaKeys& media) {
  PrefixChain chain{root_of(setting, sequence, media), {}, {}};
  const ChainBuilder builder(sequence, ids, media);
  const int64_t media_end = end_of_media(sequence.prompt);
  ContentHash parent = chain.root;
  int64_t begin = 0;
  for (int64_t end = kernels::kAttentionBlock;; end += kernels::kAttentionBlock) {
    const bool ends_media = end - kernels::kAttentionBlock < media_end && media_end < end;
    if (ends_media && is_closed(sequence.prompt, media_end)) chain.tail = builder.unit(parent, begin, media_end);
    if (end > static_cast<int64_t>(ids.size())) break;
    if (!is_closed(sequence.prompt, end)) continue;
    chain.units.push_back(builder.unit(parent, begin, end));
    parent = chain.units.back().key;
    begin = end;
  }
  return chain;
}

}  // namespace azimuth::engine
