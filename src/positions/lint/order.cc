// The order of ids (positions.md 5.4, gaps): monotone, and strict without holes.
#include <algorithm>

#include "positions/lint/outcome.h"
#include "positions/lint/triples.h"

namespace azimuth::positions::lint {
namespace {

std::string in_set(const Context& context, size_t set) {
  return context.input.layout.positions.sets.size() > 1 ? " in id set " + std::to_string(set) : "";
}

// The largest id on t so far, and its token.
struct Highest {
  double id = 0.0;
  int64_t token = -1;
  void see(double other, int64_t at) {
    if (token >= 0 && other <= id) return;
    id = other;
    token = at;
  }
};

// What is wrong with the order of one id set: the first text token that does not exceed all before it, and the ids
// after the prompt. At most one problem, so that a prompt does not report each of its tokens.
std::vector<Problem> order_problems(const Context& context, size_t index) {
  const PositionSet& set = context.input.layout.positions.sets[index];
  Highest highest;
  for (const Span& span : context.input.spans) {
    for (int64_t token = span.begin; token < span.end; ++token) {
      const double id = set.token(token)[0];
      if (span.kind == SpanKind::text && highest.token >= 0 && id <= highest.id) {
        return {{Level::warns,
                 "text token " + std::to_string(token) + " has id " + shown(id) + " on t, and token " +
                     std::to_string(highest.token) + " before it has " + shown(highest.id) + in_set(context, index),
                 -1, token, token + 1}};
      }
      highest.see(id, token);
    }
  }
  const double next = std::min(set.next_text, set.next_decode);
  if (highest.token < 0 || next > highest.id) return {};
  return {{Level::warns,
           "the text after the prompt goes on at " + shown(next) + ", and token " + std::to_string(highest.token) +
               " of the prompt has " + shown(highest.id) + " on t" + in_set(context, index),
           -1, set.tokens(), set.tokens()}};
}

// The first hole, repetition or wrong start of the sorted ids on t.
std::vector<Problem> gap_problems(const Context& context, size_t index) {
  const PositionSet& set = context.input.layout.positions.sets[index];
  std::vector<double> ids;
  for (int64_t token = 0; token < set.tokens(); ++token) ids.push_back(set.token(token)[0]);
  std::ranges::sort(ids);
  for (size_t i = 0; i < ids.size(); ++i) {
    const double expected = context.input.base_start + static_cast<double>(i);
    if (ids[i] == expected) continue;
    return {{Level::warns, "the ids on t, sorted, have " + shown(ids[i]) + " where the running index has " +
                               shown(expected) + in_set(context, index)}};
  }
  return {};
}

template <typename Problems>
Outcome over_sets(const Context& context, std::string passed, std::string failed, Problems problems) {
  Outcome outcome;
  for (size_t set = 0; set < context.input.layout.positions.sets.size(); ++set) {
    for (Problem& problem : problems(context, set)) outcome.problems.push_back(std::move(problem));
  }
  outcome.value = outcome.problems.empty() ? std::move(passed) : std::move(failed);
  return outcome;
}

}  // namespace

Outcome check_monotone(const Context& context) {
  if (context.options.gaps == LintGaps::off) return not_checked("--gaps off");
  return over_sets(context, "text comes after all before it", "text falls behind earlier ids", order_problems);
}

Outcome check_strict_gaps(const Context& context) {
  if (context.options.gaps != LintGaps::strict) return not_checked("only with --gaps strict");
  return over_sets(context, "the running index", "not the running index", gap_problems);
}

}  // namespace azimuth::positions::lint
