// What a check of the linter is made of: a function that looks at a context and returns problems, and the words that
// people get to read about each.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "azimuth/lint.h"

namespace azimuth::positions::lint {

// How much a problem weighs.
enum class Level : uint8_t {
  remark,  // worth knowing
  warns,   // a warning that leaves the guideline's verdict alone
  partly,  // a warning; the guideline is kept in part
  breaks,  // a warning; the guideline is broken
};

struct Problem {
  Level level = Level::warns;
  std::string message;
  int span = -1;  // index of the block concerned
  int64_t begin = 0;
  int64_t end = 0;
};

struct Outcome {
  bool checked = true;  // false: does not apply, or the input lacks what it needs
  std::string value;    // the numbers, for the table
  std::vector<Problem> problems;
};

inline Outcome not_checked(std::string why) {
  return {false, std::move(why), {}};
}

struct Context {
  const LintInput& input;
  const LintOptions& options;
  const LintScores& scores;

  const PositionSet& first_set() const { return input.layout.positions.sets[0]; }
  bool has_blocks() const { return !scores.blocks.empty(); }
};

struct Check {
  const char* name;
  LintGuideline guideline;
  Outcome (*run)(const Context& context);
  const char* may_cause;  // what the finding may do to answers
  const char* published;  // a published failure that it matches; ""
};

// All checks, in the order of the table.
const std::vector<Check>& all_checks();

// ---- the checks, each in the file named

Outcome check_injective(const Context& context);          // structure.cc
Outcome check_lattice(const Context& context);            // structure.cc
Outcome check_cross_block(const Context& context);        // structure.cc
Outcome check_growth(const Context& context);             // overlap.cc
Outcome check_future_overlap(const Context& context);     // overlap.cc
Outcome check_past_overlap(const Context& context);       // overlap.cc
Outcome check_triple_collisions(const Context& context);  // overlap.cc
Outcome check_interval(const Context& context);           // overlap.cc
Outcome check_attention_sink(const Context& context);     // overlap.cc
Outcome check_coverage(const Context& context);           // spectrum.cc
Outcome check_share(const Context& context);              // spectrum.cc
Outcome check_aliasing(const Context& context);           // spectrum.cc
Outcome check_allocation(const Context& context);         // spectrum.cc
Outcome check_text_prior_ids(const Context& context);     // text_prior.cc
Outcome check_text_text0(const Context& context);         // text_prior.cc
Outcome check_text_integral(const Context& context);      // text_prior.cc
Outcome check_text_freq(const Context& context);          // text_prior.cc
Outcome check_monotone(const Context& context);           // order.cc
Outcome check_strict_gaps(const Context& context);        // order.cc
Outcome check_cache(const Context& context);              // going_on.cc
Outcome check_batch(const Context& context);              // going_on.cc
Outcome check_dtype(const Context& context);              // storage.cc
Outcome check_range(const Context& context);              // storage.cc
Outcome check_per_image(const Context& context);          // media.cc

}  // namespace azimuth::positions::lint
