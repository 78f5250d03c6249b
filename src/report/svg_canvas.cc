#include "report/svg_canvas.h"

#include <cmath>
#include <cstdio>

#include "report/html_page.h"

namespace azimuth::report {
namespace {

// The drawing follows the reader's light or dark setting, as the page does.
constexpr std::string_view kStyle = R"(
  svg { background: #fbfaf7; }
  text { font-family: system-ui, "Noto Sans", "DejaVu Sans", sans-serif; font-size: 13px; fill: #1d2126; }
  .title { font-size: 20px; font-weight: 600; }
  .head { font-size: 15px; font-weight: 600; }
  .quiet { fill: #5a636d; font-size: 12px; }
  .mono { font-family: ui-monospace, "Noto Sans Mono", "DejaVu Sans Mono", monospace; font-size: 12px; white-space: pre; }
  .id { font-family: ui-monospace, "Noto Sans Mono", "DejaVu Sans Mono", monospace; font-size: 10px; fill: #5a636d; }
  .on-light { font-family: ui-monospace, "Noto Sans Mono", "DejaVu Sans Mono", monospace; font-size: 10px; fill: #101418; }
  .on-dark { font-family: ui-monospace, "Noto Sans Mono", "DejaVu Sans Mono", monospace; font-size: 10px; fill: #ffffff; }
  .chip { fill: #ffffff; stroke: #dcd9d2; }
  .band { fill: #efece4; }
  .rule { stroke: #dcd9d2; }
  .limit { stroke: #5a636d; stroke-dasharray: 3 3; }
  .cell { fill-opacity: 0.78; }
  .alarm { fill: #b3261e; }
  .axis-0 { fill: #0b62a8; } .axis-1 { fill: #b1480c; } .axis-2 { fill: #13744f; } .axis-text { fill: #5a636d; }
  @media (prefers-color-scheme: dark) {
    svg { background: #14171a; }
    text { fill: #e6e4de; }
    .quiet, .id { fill: #a2a9b0; }
    .chip { fill: #1c2024; stroke: #363c42; }
    .band { fill: #262b30; }
    .rule { stroke: #363c42; }
    .limit { stroke: #a2a9b0; }
    .alarm { fill: #ff8a80; }
    .axis-0 { fill: #74b7f5; } .axis-1 { fill: #f2a36e; } .axis-2 { fill: #69cda3; } .axis-text { fill: #a2a9b0; }
  }
)";

std::string attribute(std::string_view name, double value) {
  return " " + std::string(name) + "=\"" + decimal(value) + "\"";
}

std::string attribute(std::string_view name, std::string_view value) {
  return value.empty() ? "" : " " + std::string(name) + "=\"" + escape_markup(value) + "\"";
}

}  // namespace

std::string decimal(double value) {
  char text[48];
  std::snprintf(text, sizeof text, "%.2f", std::isfinite(value) ? value : 0.0);
  std::string out = text;
  out.erase(out.find_last_not_of('0') + 1);
  if (out.back() == '.') out.pop_back();
  return out;
}

void SvgCanvas::text(double x, double y, std::string_view content, std::string_view style, std::string_view anchor) {
  body_ += "<text" + attribute("x", x) + attribute("y", y) + attribute("class", style) +
           (anchor == "start" ? "" : attribute("text-anchor", anchor)) + ">" + escape_markup(content) + "</text>\n";
}

void SvgCanvas::rect(double x, double y, double width, double height, std::string_view fill, std::string_view style,
                     std::string_view title) {
  body_ += "<rect" + attribute("x", x) + attribute("y", y) + attribute("width", width) + attribute("height", height) +
           attribute("fill", fill) + attribute("class", style);
  body_ += title.empty() ? "/>\n" : "><title>" + escape_markup(title) + "</title></rect>\n";
}

void SvgCanvas::line(double x0, double y0, double x1, double y1, std::string_view style) {
  body_ += "<line" + attribute("x1", x0) + attribute("y1", y0) + attribute("x2", x1) + attribute("y2", y1) +
           attribute("class", style) + "/>\n";
}

void SvgCanvas::image(double x, double y, double width, double height, std::string_view data_url) {
  body_ += "<image" + attribute("x", x) + attribute("y", y) + attribute("width", width) + attribute("height", height) +
           " preserveAspectRatio=\"none\" xlink:href=\"" + escape_markup(data_url) + "\"/>\n";
}

void SvgCanvas::open_group(std::string_view label) {
  body_ += "<g role=\"group\"" + attribute("aria-label", label) + ">\n";
}
void SvgCanvas::close_group() {
  body_ += "</g>\n";
}

std::string SvgCanvas::finish(double height, std::string_view title) const {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
         "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" version=\"1.1\"" +
         attribute("width", width_) + attribute("height", height) + " viewBox=\"0 0 " + decimal(width_) + " " +
         decimal(height) + "\">\n<title>" + escape_markup(title) + "</title>\n<style>" + std::string(kStyle) +
         "</style>\n" + body_ + "</svg>\n";
}

}  // namespace azimuth::report
