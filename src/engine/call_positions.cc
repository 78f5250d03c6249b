#include "engine/call_positions.h"

#include <algorithm>

#include "base/counted.h"

namespace azimuth::engine {
namespace {

std::vector<Span> moved(const std::vector<Span>& spans, int64_t tokens) {
  std::vector<Span> out = spans;
  for (Span& span : out) {
    span.begin += tokens;
    span.end += tokens;
  }
  return out;
}

int media_count(const std::vector<Span>& spans, SpanKind kind) {
  int count = 0;
  for (const Span& span : spans) {
    if (span.kind == kind) count = std::max(count, span.media + 1);
  }
  return count;
}

// The ids of tokens [begin, ...) of a table, with what follows them.
PositionTable rest_of(const PositionTable& table, int64_t begin) {
  PositionTable out = table;
  for (PositionSet& set : out.sets) set.ids.erase(set.ids.begin(), set.ids.begin() + begin * set.axes);
  return out;
}

PositionTable start_of(const PositionTable& table, int64_t end) {
  PositionTable out = table;
  for (PositionSet& set : out.sets) set.ids.resize(static_cast<size_t>(end * set.axes));
  return out;
}

Status check_unmoved(const PositionTable& before, const PositionTable& whole, const std::string& policy) {
  for (size_t i = 0; i < before.sets.size() && i < whole.sets.size(); ++i) {
    const PositionSet& old = before.sets[i];
    if (old.axes == whole.sets[i].axes && std::equal(old.ids.begin(), old.ids.end(), whole.sets[i].ids.begin()))
      continue;
    return unsupported("position policy " + policy + " gives the tokens in the cache other positions now that more " +
                       "follow; give all tokens in one call, or start with keys=raw");
  }
  return ok_status();
}

// The table of a sequence whose positions were not the policy's, continued by it over `spans`.
Result<PositionTable> continued(const Engine::Impl& model, const PolicyChoice& policy, const PositionTable& before,
                                const std::vector<Span>& spans, Compat compat) {
  const int64_t tokens = spans.empty() ? 0 : spans.back().end - spans.front().begin;
  const bool text = std::ranges::all_of(spans, [](const Span& span) { return span.kind == SpanKind::text; });
  PositionTable table = generated_positions(before, 0, text ? tokens : 0);
  if (text) {
    for (size_t i = 0; i < table.sets.size(); ++i) {
      PositionSet& set = table.sets[i];
      set.text_axes = before.sets[i].text_axes;
      set.next_text = set.next_decode = before.sets[i].next_decode + static_cast<double>(tokens);
    }
    return table;
  }
  PositionState state;
  for (size_t i = 0; i < before.sets.size(); ++i) {
    const PositionSet& set = before.sets[i];
    LayoutRun run;
    run.next_text = set.next_text;
    run.max_id = set.ids.empty() ? -1.0 : *std::ranges::max_element(set.ids);
    state.runs.push_back(run);
    table.sets[i].text_axes = set.text_axes;
  }
  const auto layers = static_cast<int>(model.spec.text.layers.size());
  AZ_RETURN_IF_ERROR(positions::layout_continue(policy.policy, spans, {compat, layers}, state, table)
                         .with_context("positions behind a cache with positions of its own"));
  return table;
}

}  // namespace

std::vector<Span> joined(const std::vector<Span>& before, const std::vector<Span>& behind, int64_t tokens) {
  std::vector<Span> all = before;
  const int images = media_count(before, SpanKind::image);
  const int videos = media_count(before, SpanKind::video);
  for (Span span : moved(behind, tokens)) {
    if (span.kind == SpanKind::image) span.media += images;
    if (span.kind == SpanKind::video) span.media += videos;
    if (!all.empty() && all.back().kind == SpanKind::text && span.kind == SpanKind::text) {
      all.back().end = span.end;
    } else {
      all.push_back(span);
    }
  }
  return all;
}

PositionTable appended(const PositionTable& before, const PositionTable& behind) {
  PositionTable all = behind;
  for (size_t i = 0; i < before.sets.size(); ++i) {
    std::vector<float>& ids = all.sets[i].ids;
    ids.insert(ids.begin(), before.sets[i].ids.begin(), before.sets[i].ids.end());
  }
  all.integral = all.integral && (before.sets.empty() || before.integral);
  return all;
}

Status lay_out_call(const Engine::Impl& model, const Request& request, const PolicyChoice& policy,
                    const CachedSequence* before, PreparedSample& sample, PositionTable& cached) {
  if (before != nullptr) cached = before->positions;
  if (before == nullptr) {
    AZ_ASSIGN_OR_RETURN(sample.positions, lay_out(model, policy, sample.prompt.spans, sample.compat));
  } else if (before->own_positions) {
    const std::vector<Span> spans = moved(sample.prompt.spans, before->tokens());
    AZ_ASSIGN_OR_RETURN(sample.positions, continued(model, policy, before->positions, spans, sample.compat));
  } else {
    const std::vector<Span> spans = joined(before->prompt.spans, sample.prompt.spans, before->tokens());
    AZ_ASSIGN_OR_RETURN(const PositionTable whole, lay_out(model, policy, spans, sample.compat));
    if (before->state.key_storage() == decoder::KeyStorage::rotated) {
      AZ_RETURN_IF_ERROR(check_unmoved(before->positions, whole, before->policy));
    }
    cached = start_of(whole, before->tokens());
    sample.positions = rest_of(whole, before->tokens());
  }
  AZ_RETURN_IF_ERROR(replace_positions(request, policy, model.spec.text, sample));
  if (before == nullptr) return ok_status();
  const bool same_sets =
      before->positions.set_of_layer == sample.positions.set_of_layer &&
      std::ranges::equal(before->positions.sets, sample.positions.sets, {}, &PositionSet::axes, &PositionSet::axes);
  if (same_sets) return ok_status();
  return invalid_argument("positions behind a cache expected " +
                          counted(static_cast<int64_t>(before->positions.sets.size()), "id set") +
                          " with the axes of the tokens in the cache, found others; give ids of the same form");
}

}  // namespace azimuth::engine
