// An SVG file under construction, from top to bottom.
#pragma once

#include <string>
#include <string_view>

namespace azimuth::report {

// A length or coordinate with at most two decimals.
std::string decimal(double value);

class SvgCanvas {
 public:
  explicit SvgCanvas(double width) : width_(width) {}

  double width() const { return width_; }

  // `style` is a class of the drawing's style sheet; `anchor` start, middle or end.
  void text(double x, double y, std::string_view content, std::string_view style, std::string_view anchor = "start");
  // `fill`: a colour, or "" to leave it to the style; `title`: what a pointer that rests on it shows, or "".
  void rect(double x, double y, double width, double height, std::string_view fill, std::string_view style,
            std::string_view title = "");
  void line(double x0, double y0, double x1, double y1, std::string_view style);
  void image(double x, double y, double width, double height, std::string_view data_url);
  void open_group(std::string_view label);
  void close_group();

  // The whole file, `height` high.
  std::string finish(double height, std::string_view title) const;

 private:
  double width_;
  std::string body_;
};

}  // namespace azimuth::report
