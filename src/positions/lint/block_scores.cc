// Scores of visual blocks: structure, and where they lie beside the text.
#include <algorithm>
#include <cmath>

#include "positions/lint/scores.h"

namespace azimuth::positions::lint {
namespace {

double dot(const Triple& a, const Triple& b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

Triple minus(const Triple& a, const Triple& b) {
  return {a[0] - b[0], a[1] - b[1], a[2] - b[2]};
}

// Whether coordinates that are equal to 1e-4 in exact numbers may differ by `difference` after rounding to f32.
double tolerance_at(double id) {
  return 1e-4 + 2.0 * rounding_at(id);
}

// Vectors that are independent, by Gram and Schmidt.
int rank_of(std::vector<Triple> vectors, double tolerance) {
  int rank = 0;
  std::vector<Triple> basis;
  for (Triple& vector : vectors) {
    for (const Triple& unit : basis) {
      const double along = dot(vector, unit);
      for (size_t a = 0; a < 3; ++a) vector[a] -= along * unit[a];
    }
    const double length = std::sqrt(dot(vector, vector));
    if (length <= tolerance) continue;
    ++rank;
    basis.push_back({vector[0] / length, vector[1] / length, vector[2] / length});
  }
  return rank;
}

// The tokens of a block as a grid; the extra token behind each row that some families add is stepped over. A block
// with another number of tokens is a row of them.
struct CellGrid {
  const PositionSet& set;
  int64_t begin;
  std::array<int64_t, 3> extent;
  std::array<int64_t, 3> stride;

  CellGrid(const PositionSet& ids, const Span& span)
      : set(ids), begin(span.begin), extent{span.grid.t, span.grid.h, span.grid.w} {
    int64_t row = span.grid.w;
    if (span.tokens() == span.grid.t * span.grid.h * (row + 1)) ++row;
    if (span.tokens() != span.grid.t * span.grid.h * row) extent = {1, 1, row = span.tokens()};
    stride = {extent[1] * row, row, 1};
  }
  Triple at(const std::array<int64_t, 3>& cell) const {
    return triple_of(set, begin + cell[0] * stride[0] + cell[1] * stride[1] + cell[2] * stride[2]);
  }
};

// The vector from each cell to its neighbour along `axis` is `step`.
bool has_constant_step(const CellGrid& grid, size_t axis, const Triple& step, double tolerance) {
  std::array<int64_t, 3> end = grid.extent;
  --end[axis];
  std::array<int64_t, 3> cell = {};
  for (cell[0] = 0; cell[0] < end[0]; ++cell[0]) {
    for (cell[1] = 0; cell[1] < end[1]; ++cell[1]) {
      for (cell[2] = 0; cell[2] < end[2]; ++cell[2]) {
        std::array<int64_t, 3> neighbour = cell;
        ++neighbour[axis];
        const Triple off = minus(minus(grid.at(neighbour), grid.at(cell)), step);
        if (std::ranges::any_of(off, [&](double d) { return std::fabs(d) >= tolerance; })) return false;
      }
    }
  }
  return true;
}

void score_lattice(const PositionSet& set, const Span& span, double largest_id, BlockScores& scores) {
  const CellGrid grid(set, span);
  const double tolerance = tolerance_at(largest_id);
  std::vector<Triple> steps;
  for (size_t axis = 0; axis < 3; ++axis) {
    if (grid.extent[axis] < 2) continue;
    std::array<int64_t, 3> second = {};
    second[axis] = 1;
    steps.push_back(minus(grid.at(second), grid.at({})));
    scores.lattice = scores.lattice && has_constant_step(grid, axis, steps.back(), tolerance);
  }
  scores.extents = static_cast<int>(steps.size());
  scores.rank = rank_of(std::move(steps), 1e-4);
}

// Triples of the text that a prompt holds or may go on with, sorted.
std::vector<TripleKey> text_keys(const LintInput& input) {
  const PositionSet& set = input.layout.positions.sets[0];
  std::vector<TripleKey> keys;
  for (const Span& span : input.spans) {
    for (int64_t token = span.begin; span.kind == SpanKind::text && token < span.end; ++token) {
      keys.push_back(key_of(triple_of(set, token)));
    }
  }
  for (int64_t step = 0; step < kGeneratedTokens; ++step) {
    keys.push_back(key_of(text_triple(set, set.next_decode + static_cast<double>(step))));
  }
  std::ranges::sort(keys);
  return keys;
}

BlockScores score_block(const LintInput& input, size_t index, const std::vector<TripleKey>& text) {
  const Span& span = input.spans[index];
  const PositionSet& set = input.layout.positions.sets[0];
  const Triple after = text_after(input, index);
  const Triple before = text_before(input, index);
  BlockScores scores;
  scores.span = static_cast<int>(index);
  scores.growth = after[0] - before[0];
  Triple largest = triple_of(set, span.begin);
  double largest_id = 0.0;
  int64_t ahead = 0;
  int64_t behind = 0;
  std::vector<TripleKey> keys;
  for (int64_t token = span.begin; token < span.end; ++token) {
    const Triple triple = triple_of(set, token);
    keys.push_back(key_of(triple));
    bool is_ahead = false;
    bool is_behind = false;
    for (size_t axis = 0; axis < 3; ++axis) {
      is_ahead = is_ahead || triple[axis] >= after[axis];
      is_behind = is_behind || triple[axis] < before[axis];
      largest[axis] = std::max(largest[axis], triple[axis]);
      largest_id = std::max(largest_id, std::fabs(triple[axis]));
    }
    ahead += is_ahead;
    behind += is_behind;
    scores.triple_collisions += std::ranges::binary_search(text, keys.back());
  }
  const auto cells = static_cast<double>(span.tokens());
  scores.future_overlap = static_cast<double>(ahead) / cells;
  scores.past_overlap = static_cast<double>(behind) / cells;
  for (size_t axis = 0; axis < 3; ++axis) scores.interval[axis] = after[axis] - largest[axis];
  std::ranges::sort(keys);
  scores.injective = std::ranges::adjacent_find(keys) == keys.end();
  score_lattice(set, span, largest_id, scores);
  return scores;
}

}  // namespace

Triple text_after(const LintInput& input, size_t span) {
  const PositionSet& set = input.layout.positions.sets[0];
  for (size_t i = span + 1; i < input.spans.size(); ++i) {
    if (input.spans[i].kind == SpanKind::text && input.spans[i].tokens() > 0)
      return triple_of(set, input.spans[i].begin);
  }
  return text_triple(set, set.next_text);
}

Triple text_before(const LintInput& input, size_t span) {
  const PositionSet& set = input.layout.positions.sets[0];
  const int64_t begin = input.spans[span].begin;
  if (begin == 0) return text_triple(set, input.base_start);
  Triple triple = triple_of(set, begin - 1);
  for (double& id : triple) id += 1.0;
  return triple;
}

std::vector<BlockScores> score_blocks(const LintInput& input) {
  std::vector<BlockScores> scores;
  const std::vector<TripleKey> text = text_keys(input);
  for (size_t i = 0; i < input.spans.size(); ++i) {
    if (input.spans[i].kind == SpanKind::text || input.spans[i].tokens() == 0) continue;
    scores.push_back(score_block(input, i, text));
  }
  return scores;
}

std::optional<double> growth_exponent(const LintInput& input) {
  if (!input.lay_out) return std::nullopt;
  std::vector<double> x;
  std::vector<double> y;
  for (const int64_t side : {4, 8, 16}) {
    const Result<std::vector<Span>> spans =
        parse_segments("t8 i1x" + std::to_string(side) + "x" + std::to_string(side) + " t4");
    if (!spans.ok()) return std::nullopt;
    const Result<PositionTable> table = input.lay_out(*spans);
    if (!table.ok()) return std::nullopt;
    const PositionSet& set = table->sets[0];
    const double growth = triple_of(set, 8 + side * side)[0] - triple_of(set, 7)[0] - 1.0;
    if (growth <= 0.0) return std::nullopt;
    x.push_back(std::log(static_cast<double>(side)));
    y.push_back(std::log(growth));
  }
  // The sides double, so x is evenly spaced and the least-squares slope is that between its ends.
  return (y[2] - y[0]) / (x[2] - x[0]);
}

}  // namespace azimuth::positions::lint
