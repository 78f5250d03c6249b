// The still drawing of positions: policies one below the other; each is a chart of ids over tokens, then the prompt
// span by span (text as chips, pictures as one grid per axis), then the spectrum.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "report/color_ramp.h"
#include "report/positions_data.h"
#include "report/positions_page.h"
#include "report/shown_text.h"
#include "report/svg_canvas.h"

namespace azimuth {
namespace report {
namespace {

constexpr double kWidth = 1120.0;
constexpr double kMargin = 24.0;
constexpr double kColumn = 7.3;           // of the fixed-width font at 12 px
constexpr double kSmallColumn = 6.1;      // and at 10 px
constexpr int64_t kLongestTextRun = 400;  // tokens of a text span that are all drawn
constexpr int64_t kTextEnds = 40;         // tokens at each end of a longer one
constexpr int kTokenColumns = 18;
constexpr double kChipHeight = 34.0;
constexpr double kLargestCell = 34.0;
constexpr double kNumberCell = 12.0;  // the smallest cell that can hold a number

struct Extent {
  float low = std::numeric_limits<float>::infinity();
  float high = -std::numeric_limits<float>::infinity();
  void add(float id) {
    low = std::min(low, id);
    high = std::max(high, id);
  }
  double share(float id) const { return high > low ? (id - low) / static_cast<double>(high - low) : 0.5; }
};

Extent extent_of(const PositionSet& set, int axis, int64_t begin, int64_t end) {
  Extent extent;
  for (int64_t token = begin; token < end; ++token) extent.add(set.token(token)[axis]);
  return extent;
}

std::string ids_text(const PositionSet& set, int64_t token) {
  const float* ids = set.token(token);
  if (std::all_of(ids, ids + set.axes, [&](float id) { return id == ids[0]; })) return format_id(ids[0]);
  std::string text;
  for (int axis = 0; axis < set.axes; ++axis) text += (axis > 0 ? " " : "") + format_id(ids[axis]);
  return text;
}

std::string axis_style(const PositionSet& set, int axis) {
  return set.axes == 1 ? "axis-0" : "axis-" + std::to_string(std::min(axis, 2));
}

class Drawing {
 public:
  explicit Drawing(const PositionsPage& page) : page_(page), canvas_(kWidth) {}

  std::string draw() {
    const std::string title = "Positions: " + policy_names(page_);
    y_ = 44.0;
    canvas_.text(kMargin, y_, title, "title");
    if (!page_.model.empty()) canvas_.text(kWidth - kMargin, y_, page_.model, "quiet", "end");
    y_ += 14.0;
    for (const PromptReport& report : page_.policies) {
      report_ = &report;
      for (size_t set = 0; set < report.positions.sets.size(); ++set) draw_set(set);
      draw_spectrum();
    }
    return canvas_.finish(y_ + kMargin, title);
  }

 private:
  void draw_set(size_t index) {
    set_ = &report_->positions.sets[index];
    overlaps_ = find_overlaps(*report_, index);
    y_ += 26.0;
    std::string head = report_->policy;
    if (report_->positions.sets.size() > 1) head += ", id set " + std::to_string(index);
    canvas_.text(kMargin, y_, head, "head");
    const auto overlapping = std::count_if(overlaps_.begin(), overlaps_.end(), [](const auto& o) { return o.any(); });
    canvas_.text(kWidth - kMargin, y_,
                 std::to_string(set_->tokens()) + " tokens; next text id " + format_id(set_->next_text) +
                     ", first generated id " + format_id(set_->next_decode) + "; " + std::to_string(overlapping) +
                     " overlapping",
                 "quiet", "end");
    y_ += 14.0;
    draw_chart();
    for (size_t span = 0; span < report_->prompt.spans.size(); ++span) draw_span(span);
  }

  // ------------------------------------------------------------------------------------------------------------------
  // Ids over tokens.

  void draw_chart() {
    constexpr double kHeight = 110.0;
    const double left = kMargin + 46.0;
    const double width = kWidth - kMargin - left;
    const double per_token = width / static_cast<double>(std::max<int64_t>(1, set_->tokens()));
    Extent extent;
    for (const float id : set_->ids) extent.add(id);
    const auto y_of = [&](float id) { return y_ + kHeight - extent.share(id) * kHeight; };
    canvas_.open_group("Ids over tokens");
    for (const Span& span : report_->prompt.spans) {
      if (span.kind == SpanKind::text) continue;
      canvas_.rect(left + static_cast<double>(span.begin) * per_token, y_ - 4.0,
                   static_cast<double>(span.tokens()) * per_token, kHeight + 8.0, "", "band", span_name(span));
    }
    for (const Span& span : report_->prompt.spans) {
      for (int axis = 0; axis < set_->axes; ++axis) draw_run(span, axis, left, per_token, y_of);
    }
    for (size_t token = 0; token < overlaps_.size(); ++token) {
      if (!overlaps_[token].any()) continue;
      canvas_.rect(left + static_cast<double>(token) * per_token, y_ + kHeight + 5.0, std::max(per_token, 0.5), 4.0, "",
                   "alarm");
    }
    if (!set_->ids.empty()) {
      canvas_.text(left - 8.0, y_ + 8.0, format_id(extent.high), "quiet", "end");
      canvas_.text(left - 8.0, y_ + kHeight, format_id(extent.low), "quiet", "end");
    }
    canvas_.close_group();
    y_ += kHeight + 12.0;
    draw_key(left);
    y_ += 16.0;
  }

  // One span on one axis: a rectangle per token, or per pixel column where tokens are narrower.
  template <typename YOf>
  void draw_run(const Span& span, int axis, double left, double per_token, const YOf& y_of) {
    const int64_t step = std::max<int64_t>(1, static_cast<int64_t>(std::ceil(1.0 / per_token)));
    const bool text = span.kind == SpanKind::text;
    for (int64_t token = span.begin; token < span.end; token += step) {
      const Extent ids = extent_of(*set_, axis, token, std::min(span.end, token + step));
      canvas_.rect(left + static_cast<double>(token) * per_token, y_of(ids.high) - 1.5,
                   std::max(1.0, static_cast<double>(step) * per_token), y_of(ids.low) - y_of(ids.high) + 3.0, "",
                   text && set_->axes > 1 ? "axis-text" : axis_style(*set_, axis));
    }
  }

  void draw_key(double left) {
    double x = left;
    const auto entry = [&](const std::string& name, const std::string& style) {
      canvas_.rect(x, y_ + 5.0, 16.0, 3.0, "", style);
      canvas_.text(x + 22.0, y_ + 10.0, name, "quiet");
      x += 44.0 + 7.0 * static_cast<double>(name.size());
    };
    if (set_->axes > 1) entry("text, all axes", "axis-text");
    for (int axis = 0; axis < set_->axes; ++axis) entry(axis_name(set_->axes, axis), axis_style(*set_, axis));
    if (std::any_of(overlaps_.begin(), overlaps_.end(), [](const auto& o) { return o.any(); })) {
      entry("ids of a picture that overlap with text", "alarm");
    }
  }

  // ------------------------------------------------------------------------------------------------------------------
  // The prompt, span by span.

  static std::string span_name(const Span& span) {
    std::string name = std::string(kind_name(span.kind)) + " " + std::to_string(span.media);
    if (span.tile > 0) name += " tile " + std::to_string(span.tile);
    if (span.view > 0) name += " view " + std::to_string(span.view);
    return name;
  }

  void draw_span(size_t index) {
    const Span& span = report_->prompt.spans[index];
    if (span.kind == SpanKind::text) return draw_text(span);
    if (span.grid.cells() != span.tokens() || span.grid.cells() == 0) return draw_plain(span);
    for (int64_t frame = 0; frame < span.grid.t; ++frame) draw_frame(index, frame);
  }

  void draw_text(const Span& span) {
    double x = kMargin;
    y_ += 8.0;
    const bool long_run = span.tokens() > kLongestTextRun;
    for (int64_t token = span.begin; token < span.end; ++token) {
      if (long_run && token == span.begin + kTextEnds) {
        const int64_t next = span.end - kTextEnds;
        end_row(x);
        canvas_.text(kMargin, y_ + 14.0,
                     "… " + std::to_string(next - token) + " text tokens, ids " + ids_text(*set_, token) + " to " +
                         ids_text(*set_, next - 1) + " …",
                     "quiet");
        y_ += 24.0;
        token = next;
      }
      draw_chip(token, x);
    }
    end_row(x);
  }

  void end_row(double& x) {
    if (x > kMargin) y_ += kChipHeight + 6.0;
    x = kMargin;
  }

  void draw_chip(int64_t token, double& x) {
    const std::string text = shown_text(report_->tokens[static_cast<size_t>(token)], kTokenColumns);
    const std::string ids = ids_text(*set_, token);
    const double width = 10.0 + std::max(kColumn * text_columns(text), kSmallColumn * static_cast<double>(ids.size()));
    if (x + width > kWidth - kMargin) end_row(x);
    canvas_.rect(x, y_, width, kChipHeight, "", "chip",
                 "token " + std::to_string(token) + ", vocabulary id " +
                     std::to_string(report_->prompt.ids[static_cast<size_t>(token)]));
    canvas_.text(x + width / 2, y_ + 14.0, text, "mono", "middle");
    canvas_.text(x + width / 2, y_ + 28.0, ids, "id", "middle");
    x += width + 4.0;
  }

  // A span whose features are no tokens, or not one for each cell.
  void draw_plain(const Span& span) {
    canvas_.text(kMargin, y_ + 20.0,
                 span_name(span) + ": tokens " + std::to_string(span.begin) + " to " + std::to_string(span.end - 1) +
                     ", ids " + ids_text(*set_, span.begin) + " to " + ids_text(*set_, span.end - 1),
                 "quiet");
    y_ += 32.0;
  }

  void draw_frame(size_t index, int64_t frame) {
    const Span& span = report_->prompt.spans[index];
    const double room = (kWidth - 2 * kMargin - 24.0 * (set_->axes - 1)) / set_->axes;
    const double cell = std::min(kLargestCell, room / static_cast<double>(span.grid.w));
    const int64_t first = span.begin + frame * span.grid.h * span.grid.w;
    std::string name = span_name(span);
    if (span.grid.t > 1) name += " frame " + std::to_string(frame);
    y_ += 18.0;
    canvas_.open_group(name);
    canvas_.text(kMargin, y_,
                 name + ": " + std::to_string(span.grid.h) + " × " + std::to_string(span.grid.w) + " cells, tokens " +
                     std::to_string(first) + " to " + std::to_string(first + span.grid.h * span.grid.w - 1),
                 "quiet");
    y_ += 20.0;
    for (int axis = 0; axis < set_->axes; ++axis) {
      const Extent extent = extent_of(*set_, axis, span.begin, span.end);
      const double x = kMargin + axis * (room + 24.0);
      canvas_.text(x, y_,
                   axis_name(set_->axes, axis) + " from " + format_id(extent.low) + " to " + format_id(extent.high),
                   "quiet");
      draw_grid(index, frame, axis, extent, x, y_ + 6.0, cell);
    }
    canvas_.close_group();
    y_ += 6.0 + cell * static_cast<double>(span.grid.h) + 6.0;
  }

  void draw_grid(size_t index, int64_t frame, int axis, const Extent& extent, double x, double y, double cell) {
    const Span& span = report_->prompt.spans[index];
    const auto view = std::find_if(page_.pictures.begin(), page_.pictures.end(),
                                   [&](const PictureView& v) { return v.span == index && v.frame == frame; });
    if (view != page_.pictures.end()) {
      canvas_.image(x, y, cell * static_cast<double>(span.grid.w), cell * static_cast<double>(span.grid.h),
                    view->data_url);
    }
    for (int64_t row = 0; row < span.grid.h; ++row) {
      const int64_t first = span.begin + (frame * span.grid.h + row) * span.grid.w;
      draw_row(first, span.grid.w, row, axis, extent, x, y + cell * static_cast<double>(row), cell);
    }
  }

  // Cells without numbers are drawn in runs of equal ids: a row of a large picture is then a few rectangles.
  void draw_row(int64_t first, int64_t columns, int64_t row, int axis, const Extent& extent, double x, double y,
                double cell) {
    const size_t longest = std::max(format_id(extent.low).size(), format_id(extent.high).size());
    const bool numbers = cell >= kNumberCell && kSmallColumn * static_cast<double>(longest) <= cell - 1.0;
    for (int64_t begin = 0; begin < columns;) {
      const float id = set_->token(first + begin)[axis];
      int64_t end = begin + 1;
      while (!numbers && end < columns && set_->token(first + end)[axis] == id) ++end;
      const Rgb color = ramp_color(extent.share(id));
      const double left = x + cell * static_cast<double>(begin);
      const double width = cell * static_cast<double>(end - begin);
      const std::string where = end == begin + 1
                                    ? "column " + std::to_string(begin)
                                    : "columns " + std::to_string(begin) + " to " + std::to_string(end - 1);
      canvas_.rect(
          left, y, width - (numbers ? 1.0 : 0.0), cell - (numbers ? 1.0 : 0.0), hex(color), "cell",
          "row " + std::to_string(row) + ", " + where + ": " + axis_name(set_->axes, axis) + " " + format_id(id));
      if (numbers) {
        canvas_.text(left + cell / 2, y + cell / 2 + 3.5, format_id(id),
                     wants_dark_text(color) ? "on-light" : "on-dark", "middle");
      }
      for (int64_t column = begin; column < end; ++column) {
        const TokenOverlap& overlap = overlaps_[static_cast<size_t>(first + column)];
        if (((overlap.ahead | overlap.shared) >> axis & 1) == 0) continue;
        const double side = std::max(2.0, cell * 0.22);
        canvas_.rect(x + cell * static_cast<double>(column + 1) - side - 1.0, y, side, side, "", "alarm");
      }
      begin = end;
    }
  }

  // ------------------------------------------------------------------------------------------------------------------
  // Spectrum: each rotary pair at the number of ids in which it turns once, on a logarithmic scale.

  void draw_spectrum() {
    if (report_->plans.empty()) draw_plan(report_->plan, "");
    for (const NamedPlan& plan : report_->plans) draw_plan(plan.plan, ", " + plan.layer_type);
  }

  void draw_plan(const FrequencyPlan& plan, const std::string& layer_type) {
    for (int group = 0; group < plan.groups; ++group) draw_group(plan, group, layer_type);
  }

  // layer_type: words for the heading, or empty.
  void draw_group(const FrequencyPlan& plan, int group, const std::string& layer_type) {
    const double left = kMargin + 96.0;
    const double width = kWidth - kMargin - left;
    double slowest = 1000.0;
    for (const float inv_freq : plan.inv_freq) {
      if (inv_freq > 0.0f) slowest = std::max(slowest, 2.0 * std::numbers::pi / static_cast<double>(inv_freq));
    }
    const double low = std::log10(2.0 * std::numbers::pi) - 0.05;
    const double high = std::log10(slowest) + 0.08;
    const auto x_of = [&](double ids) { return left + (std::log10(ids) - low) / (high - low) * width; };
    y_ += 30.0;
    std::string head = "spectrum of " + report_->policy + ": ids in which a rotary pair turns once" + layer_type;
    if (plan.groups > 1) head += ", KV heads of group " + std::to_string(group);
    canvas_.text(kMargin, y_, head, "quiet");
    y_ += 12.0;
    for (int axis = 0; axis < set_->axes; ++axis) draw_lane(plan, group, axis, left, width, x_of);
    for (int power = 1; power <= static_cast<int>(high); ++power) {
      canvas_.text(x_of(std::pow(10.0, power)), y_ + 14.0, decimal(std::pow(10.0, power)), "quiet", "middle");
    }
    y_ += 20.0;
  }

  template <typename XOf>
  void draw_lane(const FrequencyPlan& plan, int group, int axis, double left, double width, const XOf& x_of) {
    constexpr double kLane = 24.0;
    int mine = 0;
    canvas_.line(left, y_ + kLane / 2, left + width, y_ + kLane / 2, "rule");
    for (int pair = 0; pair < plan.pairs; ++pair) {
      const auto at = static_cast<size_t>(group * plan.pairs + pair);
      if (plan.axis[at] != axis || plan.inv_freq[at] <= 0.0f) continue;
      ++mine;
      const double ids = 2.0 * std::numbers::pi / static_cast<double>(plan.inv_freq[at]);
      canvas_.rect(x_of(ids) - 1.5, y_ + 3.0, 3.0, kLane - 6.0, "", axis_style(*set_, axis),
                   "pair " + std::to_string(pair) + ": " + decimal(ids) + " ids");
    }
    canvas_.text(kMargin, y_ + kLane / 2 + 4.0, axis_name(set_->axes, axis) + ", " + std::to_string(mine) + " pairs",
                 "quiet");
    y_ += kLane;
  }

  const PositionsPage& page_;
  SvgCanvas canvas_;
  double y_ = 0.0;  // lower edge of what is drawn
  const PromptReport* report_ = nullptr;
  const PositionSet* set_ = nullptr;
  std::vector<TokenOverlap> overlaps_;  // of set_
};

}  // namespace
}  // namespace report

Result<std::string> positions_svg(const PositionsPage& page) {
  AZ_RETURN_IF_ERROR(report::check_page(page));
  return report::Drawing(page).draw();
}

}  // namespace azimuth
