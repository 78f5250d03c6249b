#include "report/color_ramp.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>

namespace azimuth::report {
namespace {

// Ends of the ramp.
constexpr double kDarkest = 0.32;
constexpr double kLightest = 0.92;
constexpr double kFirstHue = 292.0;  // degrees: violet
constexpr double kLastHue = 100.0;   // yellow, by way of blue and green
constexpr double kChroma = 0.12;     // or the most that sRGB can show
constexpr double kChromaStep = 0.002;

struct Linear {
  double red, green, blue;
  bool in_gamut() const { return std::min({red, green, blue}) >= 0.0 && std::max({red, green, blue}) <= 1.0; }
};

double to_srgb(double linear) {
  const double x = std::clamp(linear, 0.0, 1.0);
  return x <= 0.0031308 ? 12.92 * x : 1.055 * std::pow(x, 1.0 / 2.4) - 0.055;
}

uint8_t to_byte(double linear) {
  return static_cast<uint8_t>(std::lround(255.0 * to_srgb(linear)));
}

// OKLab to linear sRGB, with the matrices of the paper.
Linear from_oklab(double lightness, double a, double b) {
  const double l = std::pow(lightness + 0.3963377774 * a + 0.2158037573 * b, 3);
  const double m = std::pow(lightness - 0.1055613458 * a - 0.0638541728 * b, 3);
  const double s = std::pow(lightness - 0.0894841775 * a - 1.2914855480 * b, 3);
  return {4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
          -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
          -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s};
}

}  // namespace

Rgb ramp_color(double position) {
  const double x = std::clamp(position, 0.0, 1.0);
  const double hue = (kFirstHue + (kLastHue - kFirstHue) * x) * std::numbers::pi / 180.0;
  const double lightness = kDarkest + (kLightest - kDarkest) * x;
  // Cutting a channel off would change the lightness, so the chroma gives way.
  Linear color{};
  for (double chroma = kChroma; chroma >= 0.0; chroma -= kChromaStep) {
    color = from_oklab(lightness, chroma * std::cos(hue), chroma * std::sin(hue));
    if (color.in_gamut()) break;
  }
  return {to_byte(color.red), to_byte(color.green), to_byte(color.blue)};
}

std::string hex(const Rgb& color) {
  char text[8];
  std::snprintf(text, sizeof text, "#%02x%02x%02x", color.red, color.green, color.blue);
  return text;
}

bool wants_dark_text(const Rgb& color) {
  // Luma of ITU-R BT.601; the ramp crosses it once.
  return 0.299 * color.red + 0.587 * color.green + 0.114 * color.blue > 140.0;
}

std::vector<std::string> ramp_stops(int count) {
  std::vector<std::string> stops;
  for (int i = 0; i < count; ++i) stops.push_back(hex(ramp_color(static_cast<double>(i) / (count - 1))));
  return stops;
}

}  // namespace azimuth::report
