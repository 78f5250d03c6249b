// Colours for ordered numbers: dark violet for small, yellow for large.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace azimuth::report {

struct Rgb {
  uint8_t red = 0;
  uint8_t green = 0;
  uint8_t blue = 0;
};

// Colour of `position` in [0, 1] (clamped). Perceptually even: equal steps of `position` are equal steps of lightness
// in OKLab (B. Ottosson, "A perceptual color space for image processing", 2020), so that the order also survives in
// grey and for colour-blind readers.
Rgb ramp_color(double position);
// "#rrggbb"
std::string hex(const Rgb& color);
// True where dark text reads better than light text on `color`.
bool wants_dark_text(const Rgb& color);
// `count` >= 2 colours from 0 to 1, for the page's script.
std::vector<std::string> ramp_stops(int count);

}  // namespace azimuth::report
