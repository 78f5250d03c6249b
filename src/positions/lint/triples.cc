#include "positions/lint/triples.h"

#include <cmath>
#include <cstdio>

namespace azimuth::positions::lint {

Triple triple_of(const PositionSet& set, int64_t token) {
  const float* ids = set.token(token);
  if (set.axes == 1) return {ids[0], ids[0], ids[0]};
  return {ids[0], ids[1], set.axes > 2 ? ids[2] : 0.0};
}

Triple text_triple(const PositionSet& set, double id) {
  if (set.axes == 1) return {id, id, id};
  Triple triple = {};
  for (int axis = 0; axis < std::min(set.axes, 3); ++axis) {
    triple[static_cast<size_t>(axis)] = (set.text_axes >> axis & 1) != 0 ? id : 0.0;
  }
  return triple;
}

TripleKey key_of(const Triple& triple) {
  constexpr double kSteps = 1e4;
  return {std::llround(triple[0] * kSteps), std::llround(triple[1] * kSteps), std::llround(triple[2] * kSteps)};
}

double rounding_at(double id) {
  const float magnitude = std::fabs(static_cast<float>(id));
  return static_cast<double>(std::nextafter(magnitude, 2 * kMaxPositionId)) - static_cast<double>(magnitude);
}

std::string shown(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", number);
  return text;
}

std::string shown(const Triple& triple) {
  return shown(triple[0]) + ", " + shown(triple[1]) + ", " + shown(triple[2]);
}

std::string shown_tokens(int64_t begin, int64_t end) {
  if (end - begin <= 1) return "token " + std::to_string(begin);
  return "tokens " + std::to_string(begin) + ".." + std::to_string(end - 1);
}

std::string axis_name(int axis) {
  return axis < 3 ? std::string(1, "thw"[axis]) : "axis " + std::to_string(axis);
}

}  // namespace azimuth::positions::lint
