// Where the ids of pictures and text meet.
#include <algorithm>
#include <unordered_set>

#include "azimuth/report.h"

namespace azimuth {
namespace {

// Ids of the text tokens, by axis.
std::vector<std::unordered_set<float>> text_ids(const Prompt& prompt, const PositionSet& set) {
  std::vector<std::unordered_set<float>> ids(static_cast<size_t>(set.axes));
  for (const Span& span : prompt.spans) {
    if (span.kind != SpanKind::text) continue;
    for (int64_t token = span.begin; token < span.end; ++token) {
      for (int axis = 0; axis < set.axes; ++axis) ids[static_cast<size_t>(axis)].insert(set.token(token)[axis]);
    }
  }
  return ids;
}

// Id of the first text token behind each span, on one axis; next_text behind the last one.
std::vector<float> ids_behind(const Prompt& prompt, const PositionSet& set, int axis) {
  std::vector<float> behind(prompt.spans.size());
  auto next = static_cast<float>(set.next_text);
  for (size_t i = prompt.spans.size(); i-- > 0;) {
    behind[i] = next;
    const Span& span = prompt.spans[i];
    if (span.kind == SpanKind::text && span.begin < span.end) next = set.token(span.begin)[axis];
  }
  return behind;
}

}  // namespace

std::vector<TokenOverlap> find_overlaps(const PromptReport& report, size_t set_index) {
  const PositionSet& set = report.positions.sets[set_index];
  const Prompt& prompt = report.prompt;
  std::vector<TokenOverlap> overlaps(static_cast<size_t>(set.tokens()));
  const auto of_text = text_ids(prompt, set);
  for (int axis = 0; axis < std::min(set.axes, kMaxPositionAxes); ++axis) {
    // An axis that text does not use says nothing about the order of text and pictures.
    if ((set.text_axes >> axis & 1) == 0) continue;
    const std::vector<float> behind = ids_behind(prompt, set, axis);
    const auto bit = static_cast<uint8_t>(1u << axis);
    for (size_t s = 0; s < prompt.spans.size(); ++s) {
      const Span& span = prompt.spans[s];
      if (span.kind == SpanKind::text) continue;
      for (int64_t token = span.begin; token < span.end; ++token) {
        const float id = set.token(token)[axis];
        TokenOverlap& overlap = overlaps[static_cast<size_t>(token)];
        if (id >= behind[s]) overlap.ahead |= bit;
        if (of_text[static_cast<size_t>(axis)].contains(id)) overlap.shared |= bit;
      }
    }
  }
  return overlaps;
}

}  // namespace azimuth
