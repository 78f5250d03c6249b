#include "positions/lint/input.h"

namespace azimuth::positions::lint {
namespace {

// The spans with one that ends at token `cut`: the text around it is cut in two.
std::vector<Span> cut_spans(std::span<const Span> spans, int64_t cut, size_t& first_of_second) {
  std::vector<Span> out;
  first_of_second = spans.size();
  for (const Span& span : spans) {
    if (span.begin >= cut) first_of_second = std::min(first_of_second, out.size());
    if (span.begin >= cut || span.end <= cut) {
      out.push_back(span);
      continue;
    }
    Span head = span;
    Span tail = span;
    head.end = tail.begin = cut;
    out.push_back(head);
    first_of_second = out.size();
    out.push_back(tail);
  }
  return out;
}

Result<PositionTable> lay_out_in_two(const PolicyInstance& policy, std::span<const Span> spans, int64_t cut,
                                     const LayoutOptions& options) {
  size_t second = 0;
  const std::vector<Span> numbered =
      policy.policy->views ? number_views(spans) : std::vector<Span>(spans.begin(), spans.end());
  const std::vector<Span> parts = cut_spans(numbered, cut, second);
  const std::span<const Span> all(parts);
  PositionTable table;
  PositionState state;
  AZ_RETURN_IF_ERROR(layout_continue(policy, all.first(second), options, state, table));
  AZ_RETURN_IF_ERROR(layout_continue(policy, all.subspan(second), options, state, table));
  return table;
}

}  // namespace

Result<LintInput> input_of(const PolicyInstance& policy, std::span<const Span> spans, const LayoutOptions& options) {
  LintInput input;
  input.spans.assign(spans.begin(), spans.end());
  input.layout.policy = policy.spelling();
  input.layout.declares_curved = policy.policy->declares_curved;
  input.layout.declares_shared = policy.policy->shares_ids;
  input.base_start = policy.policy->start;
  input.lay_out = [policy, options](std::span<const Span> other) { return layout_prompt(policy, other, options); };
  if (!policy.policy->function) {
    input.lay_out_in_two = [policy, options](std::span<const Span> other, int64_t cut) {
      return positions::lint::lay_out_in_two(policy, other, cut, options);
    };
  }
  AZ_ASSIGN_OR_RETURN(input.layout.positions, input.lay_out(spans));
  return input;
}

}  // namespace azimuth::positions::lint
