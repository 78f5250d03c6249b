// M-RoPE ids (positions.md 3.3; arXiv 2409.12191): cell (i, r, c) of a visual block gets (P+i, P+r, P+c), and text goes
// on behind the largest of them.
#include <algorithm>

#include "positions/layout/layouts.h"
#include "positions/layout/span_ids.h"

namespace azimuth::positions {
namespace {

// (P + time(i), P + r, P + c) with `last` = time of the last frame.
template <typename Time>
void append_block(const LayoutInput& input, Time time, LayoutRun& run, PositionSet& set) {
  const double start = run.next_text;
  const Grid& grid = input.span.grid;
  for_each_cell(grid, [&](double i, double r, double c) {
    append_ids({start + time(i), start + r, start + c}, run, set);
  });
  const double spatial = static_cast<double>(std::max(grid.h, grid.w));
  const double extent = std::max(time(static_cast<double>(grid.t - 1)) + 1.0, spatial);
  // transformers 5.x lets the text after a video begin inside the video's time range, and goes on decoding behind the
  // largest id (positions.md 3.5).
  const bool tf5 = input.compat == Compat::tf5 || input.parameters.word("compat") == "tf5";
  run.next_text = start + (tf5 ? spatial : extent);
  run.decode_behind_max = run.decode_behind_max || tf5;
}

}  // namespace

void layout_mrope(const LayoutInput& input, LayoutRun& run, PositionSet& set) {
  if (is_text(input)) return append_consecutive(input.span.tokens(), run, set);
  append_block(
      input, [](double i) { return i; }, run, set);
}

// Qwen2.5-VL (positions.md 3.4): time in units of 1 / tokens_per_second, rounded to f32 and cut as the reference does.
void layout_mrope25(const LayoutInput& input, LayoutRun& run, PositionSet& set) {
  if (is_text(input)) return append_consecutive(input.span.tokens(), run, set);
  const Parameters& parameters = input.parameters;
  const bool measured = input.span.step_seconds > 0.0 && !parameters.given("second_per_grid");
  const double seconds = measured ? input.span.step_seconds : parameters.number("second_per_grid");
  // The reference keeps the seconds of a grid frame in an f32 tensor, so that their product is one of f32.
  const float rate = parameters.has("delta")
                         ? static_cast<float>(parameters.number("delta"))
                         : static_cast<float>(parameters.number("tokens_per_second")) * static_cast<float>(seconds);
  const bool video = input.span.kind == SpanKind::video;
  append_block(
      input,
      [rate, video](double i) { return video ? std::trunc(static_cast<double>(static_cast<float>(i) * rate)) : i; },
      run, set);
}

Parameter compat_parameter() {
  return {.name = "compat",
          .kind = ParameterKind::word,
          .fallback = "azimuth",
          .help = "tf5: text after a video begins inside its time range, as in transformers 5",
          .words = {"azimuth", "tf5"}};
}

Policy mrope_policy() {
  return {.name = "mrope",
          .summary = "time, row and column ids; fast pairs for time, slow ones for columns",
          .source = "Qwen2-VL (arXiv 2409.12191)",
          .aliases = {{"mrope_chunked", ""}, {"mrope_tf5", "compat=tf5"}},
          .parameters = {compat_parameter()},
          .axes = 3,
          .layout = layout_mrope,
          .allocation = AllocationKind::chunked};
}

}  // namespace azimuth::positions
