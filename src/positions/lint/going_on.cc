// Whether a sequence goes on as it began (positions.md 5.4): cache, batch.
#include <algorithm>
#include <cmath>

#include "positions/lint/outcome.h"
#include "positions/lint/scores.h"
#include "positions/lint/triples.h"

namespace azimuth::positions::lint {
namespace {

constexpr int64_t kReprefilled = 4;  // generated tokens that are laid out as a longer prompt
constexpr size_t kMostCuts = 24;     // of chunked prefill

std::string in_set(const LintInput& input, size_t set) {
  return input.layout.positions.sets.size() > 1 ? " in id set " + std::to_string(set) : "";
}

bool ends_in_text(const LintInput& input) {
  return !input.spans.empty() && input.spans.back().kind == SpanKind::text && input.spans.back().tokens() > 0;
}

// Id that the first generated token should have: behind the last text, or where text would go on.
double expected_decode(const LintInput& input, const PositionSet& set) {
  if (!ends_in_text(input)) return set.next_text;
  for (int axis = 0; axis < set.axes; ++axis) {
    if ((set.text_axes >> axis & 1) != 0) return static_cast<double>(set.token(set.tokens() - 1)[axis]) + 1.0;
  }
  return set.next_text;
}

bool continues(const LintInput& input, const PositionSet& set) {
  const double expected = expected_decode(input, set);
  return std::fabs(set.next_decode - expected) <= rounding_at(expected);
}

std::vector<Span> with_more_text(const LintInput& input, int64_t tokens) {
  std::vector<Span> spans = input.spans;
  if (ends_in_text(input)) {
    spans.back().end += tokens;
    return spans;
  }
  Span text;
  text.begin = spans.empty() ? 0 : spans.back().end;
  text.end = text.begin + tokens;
  spans.push_back(text);
  return spans;
}

// (a) The first generated token goes on behind the prompt's last text.
void check_first_decode(const LintInput& input, Outcome& outcome) {
  size_t set = 0;
  if (decodes_continuously(input, &set)) return;
  const PositionSet& ids = input.layout.positions.sets[set];
  outcome.problems.push_back({Level::warns,
                              "the first generated token gets id " + shown(ids.next_decode) + in_set(input, set) +
                                  ", and text after the prompt would get " + shown(expected_decode(input, ids)),
                              -1, ids.tokens(), ids.tokens()});
}

// (b) A longer prompt gets the ids that prefill and decoding gave.
void check_reprefill(const LintInput& input, Outcome& outcome) {
  if (!input.lay_out) return;
  const Result<PositionTable> longer = input.lay_out(with_more_text(input, kReprefilled));
  if (!longer.ok() || longer->sets.size() != input.layout.positions.sets.size()) return;
  for (size_t i = 0; i < longer->sets.size(); ++i) {
    const PositionSet& set = input.layout.positions.sets[i];
    std::vector<float> expected = set.ids;
    for (int64_t step = 0; step < kReprefilled; ++step) {
      expected.resize(expected.size() + static_cast<size_t>(set.axes));
      set.decode_ids(step, expected.data() + expected.size() - set.axes);
    }
    const std::vector<float>& again = longer->sets[i].ids;
    if (again == expected) continue;
    const auto differs = std::ranges::mismatch(again, expected).in1 - again.begin();
    const int64_t token = differs / set.axes;
    outcome.problems.push_back({Level::warns,
                                "prefilling the prompt with its first generated tokens gives token " +
                                    std::to_string(token) + " another id than decoding did" + in_set(input, i),
                                -1, token, token + 1});
    return;
  }
}

bool same_spectra(const std::vector<NamedPlan>& a, const std::vector<NamedPlan>& b) {
  return std::ranges::equal(a, b, [](const NamedPlan& x, const NamedPlan& y) {
    return x.plan.inv_freq == y.plan.inv_freq && x.plan.attention_scale == y.plan.attention_scale;
  });
}

int64_t length_of(const LintInput& input) {
  if (input.length > 0) return input.length;
  float largest = -1.0f;
  for (const PositionSet& set : input.layout.positions.sets) {
    for (const float id : set.ids) largest = std::max(largest, id);
  }
  return static_cast<int64_t>(std::floor(largest)) + 1;
}

// (c) Frequencies do not change while cached keys keep the rotation that they were stored with.
void check_frequencies(const Context& context, Outcome& outcome) {
  const LintInput& input = context.input;
  if (!input.plans_at) return;
  const int64_t length = length_of(input);
  const auto now = input.plans_at(length);
  const auto later = input.plans_at(length + kGeneratedTokens);
  if (!now.ok() || !later.ok() || same_spectra(*now, *later)) return;
  const bool keeps = context.options.keeps_cached_rotations;
  outcome.problems.push_back(
      {keeps ? Level::warns : Level::remark,
       "within " + std::to_string(kGeneratedTokens) + " generated tokens the frequencies change" +
           (keeps ? ", and cached keys keep their old rotation" : "; cached keys are computed again when they do")});
}

std::vector<int64_t> cuts_of(const LintInput& input) {
  std::vector<int64_t> cuts;
  for (const Span& span : input.spans) {
    if (span.kind == SpanKind::text && span.tokens() > 1) cuts.push_back(span.begin + span.tokens() / 2);
    cuts.push_back(span.end);
  }
  if (cuts.size() <= kMostCuts) return cuts;
  std::vector<int64_t> some;
  for (size_t i = 0; i < kMostCuts; ++i) some.push_back(cuts[i * cuts.size() / kMostCuts]);
  return some;
}

bool same_ids(const PositionTable& a, const PositionTable& b) {
  return std::ranges::equal(a.sets, b.sets, [](const PositionSet& x, const PositionSet& y) {
    return x.axes == y.axes && x.ids == y.ids && x.next_decode == y.next_decode;
  });
}

// (d) Prefill in two chunks gives the ids of one.
void check_chunks(const LintInput& input, Outcome& outcome) {
  if (!input.lay_out_in_two) return;
  for (const int64_t cut : cuts_of(input)) {
    const Result<PositionTable> table = input.lay_out_in_two(input.spans, cut);
    if (!table.ok() || same_ids(*table, input.layout.positions)) continue;
    outcome.problems.push_back(
        {Level::warns,
         "a prompt that is laid out in two parts, cut at token " + std::to_string(cut) + ", gets other ids than in one",
         -1, cut, cut});
    return;
  }
}

}  // namespace

bool decodes_continuously(const LintInput& input, size_t* set) {
  const std::vector<PositionSet>& sets = input.layout.positions.sets;
  for (size_t i = 0; i < sets.size(); ++i) {
    if (continues(input, sets[i])) continue;
    if (set != nullptr) *set = i;
    return false;
  }
  return true;
}

Outcome check_cache(const Context& context) {
  Outcome outcome;
  check_first_decode(context.input, outcome);
  check_reprefill(context.input, outcome);
  check_frequencies(context, outcome);
  check_chunks(context.input, outcome);
  outcome.value = "first generated token at " + shown(context.first_set().next_decode);
  return outcome;
}

Outcome check_batch(const Context& context) {
  if (!context.input.lay_out) return not_checked("no rule to ask again");
  const Result<PositionTable> again = context.input.lay_out(context.input.spans);
  Outcome outcome;
  outcome.value = "the same when laid out again";
  if (again.ok() && same_ids(*again, context.input.layout.positions)) return outcome;
  outcome.value = "differs when laid out again";
  outcome.problems.push_back({Level::warns, again.ok()
                                                ? "the same prompt gets other ids when it is laid out again"
                                                : "laying the prompt out again fails: " + again.status().message()});
  return outcome;
}

}  // namespace azimuth::positions::lint
