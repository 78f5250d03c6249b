// CircleRoPE (positions.md 3.11; arXiv 2505.16416): the cells of a picture on a circle in the plane orthogonal to the
// text direction (1,1,1), so that every text token is equally far from all of them. Frames of a video are stacked
// rings.
#include <algorithm>
#include <numbers>
#include <optional>

#include "positions/layout/layouts.h"
#include "positions/layout/span_ids.h"

namespace azimuth::positions {
namespace {

struct Radius {
  bool automatic = false;  // `value` times the largest centred coordinate
  double value = 0.0;
};

std::optional<Radius> parse_radius(std::string text) {
  Radius radius;
  radius.automatic = text.starts_with("auto");
  if (radius.automatic) text.erase(0, text.starts_with("auto-") ? 5 : 4);
  if (radius.automatic && text.empty()) text = "1";
  char* end = nullptr;
  radius.value = std::strtod(text.c_str(), &end);
  const bool valid = !text.empty() && *end == '\0' && radius.value > 0.0 && radius.value < 1e6;
  return valid ? std::optional(radius) : std::nullopt;
}

Status check_radius(const Parameters& parameters) {
  if (parse_radius(parameters.word("radius"))) return ok_status();
  return invalid_argument("parameter radius of position policy circle expected a positive number or auto-K, found \"" +
                          parameters.word("radius") + "\"");
}

struct Point {
  double x;
  double y;
};

// Cells of one frame around the picture's centre (or its corner), row by row.
std::vector<Point> centred_cells(const Grid& grid, bool origin) {
  const double middle_x = origin ? static_cast<double>(grid.w - 1) / 2.0 : 0.0;
  const double middle_y = origin ? static_cast<double>(grid.h - 1) / 2.0 : 0.0;
  std::vector<Point> cells;  // [rows * columns]
  for_each_cell({1, grid.h, grid.w}, [&](double, double r, double c) {
    // Zero is +0 on the middle row: atan2(+0, -x) is +pi, atan2(-0, -x) is not.
    cells.push_back({c - middle_x + 0.0, r - middle_y + 0.0});
  });
  return cells;
}

// The angle of each cell: alpha times the angle that the cell has in the picture, rescaled to [0, 2 pi], plus 1 - alpha
// times its index as a share of the circle.
std::vector<double> angles_of(const std::vector<Point>& cells, double alpha) {
  constexpr double kTurn = 2.0 * std::numbers::pi;
  std::vector<double> angles;
  for (const Point& cell : cells) angles.push_back(std::atan2(cell.y, cell.x));
  const auto [low, high] = std::ranges::minmax(angles);
  for (size_t k = 0; k < angles.size(); ++k) {
    const double spread = high > low ? (angles[k] - low) / (high - low) * kTurn : angles[k];
    const double index = kTurn * static_cast<double>(k) / static_cast<double>(angles.size());
    angles[k] = alpha * spread + (1.0 - alpha) * index;
  }
  return angles;
}

// Offsets (t, h, w) of one frame's cells from P.
std::vector<std::array<double, 3>> ring(const Grid& grid, const Parameters& parameters) {
  const std::vector<Point> cells = centred_cells(grid, parameters.flag("origin"));
  const std::vector<double> angles = angles_of(cells, parameters.number("alpha"));
  const Radius radius = parse_radius(parameters.word("radius")).value_or(Radius{});
  double length = radius.value;
  if (radius.automatic) {
    double largest = 0.0;
    for (const Point& cell : cells) largest = std::max({largest, cell.x, cell.y});
    length *= largest;
  }
  const double flat = parameters.number("dff");  // share of the picture's own plane in the blend
  std::vector<std::array<double, 3>> offsets;    // [cells]
  double lowest = 0.0;
  for (size_t k = 0; k < cells.size(); ++k) {
    const double x = (1.0 - flat) * length * std::cos(angles[k]) + flat * cells[k].x;
    const double y = (1.0 - flat) * length * std::sin(angles[k]) + flat * cells[k].y;
    const double across = x / std::numbers::sqrt2;
    const double along = y / std::sqrt(6.0);
    offsets.push_back({2.0 * along, across - along, -across - along});
    lowest = k == 0 ? *std::ranges::min_element(offsets[0]) : std::min(lowest, *std::ranges::min_element(offsets[k]));
  }
  if (parameters.has("positive")) {
    const double lift = std::fabs(lowest) + parameters.number("positive");
    for (auto& offset : offsets) {
      for (double& axis : offset) axis += lift;
    }
  }
  return offsets;
}

void layout_circle(const LayoutInput& input, LayoutRun& run, PositionSet& set) {
  if (is_text(input)) return append_consecutive(input.span.tokens(), run, set);
  const std::vector<std::array<double, 3>> offsets = ring(input.span.grid, input.parameters);
  const double stride = input.parameters.number("stride");
  const double start = run.next_text;
  double largest = start;
  for (int64_t i = 0; i < input.span.grid.t; ++i) {
    const double frame = start + static_cast<double>(i) * stride;
    for (const auto& [t, h, w] : offsets) {
      append_ids({frame + t, frame + h, frame + w}, run, set);
      largest = std::max({largest, frame + t, frame + h, frame + w});
    }
  }
  move_to(largest + 1.0, run);
}

// AGE: which layers see the circle (set 0) and which plain M-RoPE ids (set 1).
std::vector<int> age_sets(const Parameters& parameters, int layers) {
  const std::string& strategy = parameters.word("age");
  std::vector<int> sets;
  if (strategy == "none") return sets;
  for (int layer = 0; layer < layers; ++layer) {
    const bool first_half = layer < layers / 2;
    const bool circle = strategy == "strategy_4" ? layer % 2 == 0 : first_half == (strategy == "strategy_2");
    sets.push_back(circle ? 0 : 1);
  }
  return sets;
}

}  // namespace

Policy circle_policy() {
  return {
      .name = "circle",
      .summary = "cells of a picture on a circle that is equally far from every text token",
      .source = "CircleRoPE (arXiv 2505.16416, lose4578/CircleRoPE)",
      .aliases = {{"circle_r([0-9.]+)_a([0-9.]+)", "radius=$1,alpha=$2"},
                  {"circle_auto([0-9.]+)_a([0-9.]+)", "radius=auto-$1,alpha=$2"},
                  {"circle_r([0-9.]+)_a([0-9.]+)_dff([0-9.]+)", "radius=$1,alpha=$2,dff=$3"},
                  {"circle_auto([0-9.]+)_a([0-9.]+)_dff([0-9.]+)", "radius=auto-$1,alpha=$2,dff=$3"},
                  {"circle_r([0-9.]+)_a([0-9.]+)_noorigin", "radius=$1,alpha=$2,origin=0"},
                  {"circle_auto([0-9.]+)_a([0-9.]+)_noorigin", "radius=auto-$1,alpha=$2,origin=0"},
                  {"circle_r([0-9.]+)_a([0-9.]+)_age_(strategy_[234])", "radius=$1,alpha=$2,age=$3"},
                  {"circle_age_released", "age=strategy_4,compat=released"}},
      .parameters = {{.name = "radius",
                      .kind = ParameterKind::text,
                      .fallback = "10",
                      .help = "of the circle, in ids; auto-K: K times the largest centred coordinate"},
                     {.name = "alpha",
                      .fallback = "0.5",
                      .help = "share of the cell's own angle, against its index",
                      .min = 0,
                      .max = 1},
                     {.name = "dff",
                      .fallback = "0",
                      .help = "share of the flat grid blended into the circle",
                      .min = 0,
                      .max = 1},
                     {.name = "origin",
                      .kind = ParameterKind::flag,
                      .fallback = "1",
                      .help = "0: angles from the picture's corner instead of its centre"},
                     {.name = "positive", .help = "lifts a block so that its smallest offset is this", .min = 0},
                     {.name = "stride", .fallback = "1", .help = "ids between the rings of a video's frames", .min = 0},
                     {.name = "age",
                      .kind = ParameterKind::word,
                      .fallback = "none",
                      .help = "layers with plain M-RoPE ids: strategy_4 the odd ones, 2 the second half, 3 the first",
                      .words = {"none", "strategy_2", "strategy_3", "strategy_4"}},
                     {.name = "compat",
                      .kind = ParameterKind::word,
                      .fallback = "azimuth",
                      .help = "released: all layers decode with the circle's ids, as the released code does",
                      .words = {"azimuth", "released"}}},
      .axes = 3,
      .layout = layout_circle,
      .second_layout = layout_mrope,
      .set_of_layer = age_sets,
      .declares_curved = true,
      .integral = [](const Parameters&) { return false; },
      .check = check_radius,
      .allocation = AllocationKind::chunked};
}

}  // namespace azimuth::positions
