// Where blocks lie beside the text (positions.md 5.1): growth, overlaps, collisions, interval.
#include <algorithm>
#include <cmath>

#include "positions/lint/block_words.h"
#include "positions/lint/outcome.h"
#include "positions/lint/scores.h"
#include "positions/lint/triples.h"

namespace azimuth::positions::lint {
namespace {

// Of the fitted exponent: with sides from 4 to 16, a growth of side + 1 still fits below 1 and 8 (side - 1) + 1 above.
constexpr double kExponentTolerance = 0.05;
constexpr double kLargeInterval = 4.0;  // times the longer side; positions.md 5.1

std::string percent(double share) {
  return shown(std::round(share * 1000.0) / 10.0) + " %";
}

double least_interval(const BlockScores& block) {
  return std::ranges::min(block.interval);
}

// What rounding ids to f32 may take from a distance of two.
double tolerance_of(const Context& context, const BlockScores& block) {
  return 2.0 * rounding_at(text_after(context.input, static_cast<size_t>(block.span))[0]);
}

int64_t longer_side(const Context& context, const BlockScores& block) {
  const Grid& grid = context.input.spans[static_cast<size_t>(block.span)].grid;
  return std::max(grid.h, grid.w);
}

// Share of the block's cells that lie before P- on t.
double past_on_time(const Context& context, const BlockScores& block) {
  const Span& span = context.input.spans[static_cast<size_t>(block.span)];
  const double before = text_before(context.input, static_cast<size_t>(block.span))[0];
  int64_t behind = 0;
  for (int64_t token = span.begin; token < span.end; ++token) {
    behind += triple_of(context.first_set(), token)[0] < before;
  }
  return static_cast<double>(behind) / static_cast<double>(span.tokens());
}

}  // namespace

Outcome check_growth(const Context& context) {
  if (!context.has_blocks()) return not_checked("no picture");
  const BlockScores& last = context.scores.blocks.back();
  const std::optional<double>& exponent = context.scores.growth_exponent;
  Outcome outcome;
  outcome.value = shown(last.growth) + " positions";
  if (!exponent) return outcome;
  outcome.value += ", like side^" + shown(std::round(*exponent * 100.0) / 100.0);
  if (*exponent <= 1.0 + kExponentTolerance) return outcome;
  outcome.problems.push_back(problem_about(context, Level::breaks, last, 1,
                                           "takes " + shown(last.growth) + " positions; a square picture takes side^" +
                                               shown(std::round(*exponent * 100.0) / 100.0) + ", more than linear"));
  return outcome;
}

Outcome check_future_overlap(const Context& context) {
  if (!context.has_blocks()) return not_checked("no picture");
  const auto broken = blocks_where(context, [](const BlockScores& block) { return block.future_overlap > 0.0; });
  Outcome outcome;
  outcome.value = percent(context.scores.blocks.back().future_overlap) + " of cells ahead of the text";
  if (broken.empty()) return outcome;
  const BlockScores& worst = worst_block(broken, [](const BlockScores& block) { return block.future_overlap; });
  const Triple after = text_after(context.input, static_cast<size_t>(worst.span));
  outcome.problems.push_back(problem_about(context, Level::breaks, worst, broken.size(),
                                           "has " + percent(worst.future_overlap) +
                                               " of its cells at or beyond the text behind it, which goes on at (" +
                                               shown(after) + ")"));
  return outcome;
}

Outcome check_past_overlap(const Context& context) {
  if (!context.has_blocks()) return not_checked("no picture");
  const auto broken = blocks_where(context, [](const BlockScores& block) { return block.past_overlap > 0.0; });
  Outcome outcome;
  outcome.value = percent(context.scores.blocks.back().past_overlap) + " of cells behind the text";
  if (broken.empty()) return outcome;
  const auto on_time = [&](const BlockScores& block) { return past_on_time(context, block); };
  const BlockScores& worst = worst_block(broken, on_time);
  const double share = on_time(worst);
  if (share > 0.0) {
    outcome.problems.push_back(
        problem_about(context, Level::partly, worst, broken.size(),
                      "has " + percent(share) + " of its cells before the text in front of it, on the t axis"));
    return outcome;
  }
  outcome.problems.push_back(
      problem_about(context, Level::remark, broken.size() == 1 ? *broken[0] : worst, broken.size(),
                    "has " + percent(worst.past_overlap) +
                        " of its cells before the text in front of it on h or w; a spatial reset does so by design"));
  return outcome;
}

Outcome check_triple_collisions(const Context& context) {
  if (!context.has_blocks()) return not_checked("no picture");
  const auto broken = blocks_where(context, [](const BlockScores& block) { return block.triple_collisions > 0; });
  Outcome outcome;
  outcome.value = std::to_string(context.scores.blocks.back().triple_collisions) + " cells on a text position";
  if (broken.empty()) return outcome;
  const BlockScores& worst = worst_block(broken, [](const BlockScores& block) { return block.triple_collisions; });
  outcome.problems.push_back(problem_about(context, Level::breaks, worst, broken.size(),
                                           "has " + std::to_string(worst.triple_collisions) +
                                               " cells with exactly the coordinates of a text token, the next " +
                                               std::to_string(kGeneratedTokens) + " generated ones included"));
  return outcome;
}

Outcome check_interval(const Context& context) {
  if (!context.has_blocks()) return not_checked("no picture");
  Outcome outcome;
  outcome.value = shown(context.scores.blocks.back().interval) + " to the text (t, h, w)";
  const auto small = blocks_where(
      context, [&](const BlockScores& block) { return least_interval(block) < 1.0 - tolerance_of(context, block); });
  if (!small.empty()) {
    const BlockScores& worst = worst_block(small, [](const BlockScores& block) { return -least_interval(block); });
    outcome.problems.push_back(problem_about(
        context, Level::breaks, worst, small.size(),
        "ends " + shown(worst.interval) + " (t, h, w) before the text behind it; 1 or more was expected"));
  }
  const auto wide = blocks_where(context, [&](const BlockScores& block) {
    return block.interval[0] > block.growth + tolerance_of(context, block);
  });
  if (!wide.empty()) {
    outcome.problems.push_back(problem_of(context, Level::breaks, wide, [](const BlockScores& block) {
      return "ends " + shown(block.interval[0]) + " positions before the text on t, more than the " +
             shown(block.growth) + " that it takes";
    }));
  }
  const auto far = blocks_where(context, [&](const BlockScores& block) {
    return block.interval[0] > kLargeInterval * static_cast<double>(longer_side(context, block));
  });
  if (!far.empty()) {
    const BlockScores& worst = worst_block(far, [](const BlockScores& block) { return block.interval[0]; });
    outcome.problems.push_back(problem_about(
        context, Level::partly, worst, far.size(),
        "ends " + shown(worst.interval[0]) + " positions before the text on t, over four times its longer side of " +
            std::to_string(longer_side(context, worst))));
  }
  return outcome;
}

Outcome check_attention_sink(const Context& context) {
  if (!context.has_blocks()) return not_checked("no picture");
  if (context.first_set().axes < 3 || context.input.layout.declares_curved) {
    return not_checked("no rows and columns");
  }
  const auto moved = blocks_where(context, [&](const BlockScores& block) {
    const Triple corner = triple_of(context.first_set(), context.input.spans[static_cast<size_t>(block.span)].begin);
    return corner[1] > 0.0 || corner[2] > 0.0;
  });
  Outcome outcome;
  outcome.value = moved.empty() ? "corners at small h, w" : "corners move with the text";
  if (moved.empty()) return outcome;
  outcome.problems.push_back(problem_of(context, Level::remark, moved, [&](const BlockScores& block) {
    const Triple corner = triple_of(context.first_set(), context.input.spans[static_cast<size_t>(block.span)].begin);
    return "has its top-left cell at h " + shown(corner[1]) + ", w " + shown(corner[2]) +
           ": rows and columns are not reset";
  }));
  return outcome;
}

}  // namespace azimuth::positions::lint
