#include "positions/score/running_slope.h"

#include <cmath>

namespace azimuth::positions {

double softplus(double x) {
  return x > 0.0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
}

RunningSum RunningSum::of(double value) {
  const auto high = static_cast<float>(value);
  return {high, static_cast<float>(value - static_cast<double>(high))};
}

RunningSum advance(const RunningSum& previous, double slope) {
  return RunningSum::of(previous.value() - slope);
}

float bias_between(const RunningSum& query, const RunningSum& key) {
  return static_cast<float>(query.value() - key.value());
}

}  // namespace azimuth::positions
