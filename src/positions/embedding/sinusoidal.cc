#include "positions/embedding/sinusoidal.h"

#include <cmath>
#include <string>

namespace azimuth::positions {
namespace {

constexpr double kLongestPeriod = 10000.0;  // in units of 2 pi positions

// Exponent e of the k-th frequency 10000^-e.
double exponent(SinusoidKind kind, int k, int width) {
  if (kind == SinusoidKind::tensor2tensor) return static_cast<double>(k) / (width / 2 - 1);
  return 2.0 * k / width;
}

}  // namespace

Result<SinusoidKind> parse_sinusoid_kind(std::string_view name) {
  if (name == "vaswani") return SinusoidKind::vaswani;
  if (name == "transformer_xl") return SinusoidKind::transformer_xl;
  if (name == "tensor2tensor") return SinusoidKind::tensor2tensor;
  if (name == "cora") return SinusoidKind::cora;
  return invalid_argument("sinusoidal expected kind vaswani, transformer_xl, tensor2tensor or cora, found \"" +
                          std::string(name) + "\"");
}

Result<Sinusoid> Sinusoid::create(SinusoidKind kind, int width) {
  const bool pads = kind == SinusoidKind::cora || kind == SinusoidKind::tensor2tensor;
  const int least = kind == SinusoidKind::tensor2tensor ? 4 : 2;
  if (width >= least && (pads || width % 2 == 0)) return Sinusoid(kind, width);
  return invalid_argument("sinusoidal positions expected " + std::string(pads ? "a" : "an even") +
                          " width of at least " + std::to_string(least) + ", found " + std::to_string(width) +
                          "; kind=cora fits every width from 2 on");
}

Sinusoid::Sinusoid(SinusoidKind kind, int width) : kind_(kind), width_(width) {
  for (int k = 0; k < width / 2; ++k) {
    frequencies_.push_back(static_cast<float>(std::pow(kLongestPeriod, -exponent(kind, k, width))));
  }
}

void Sinusoid::write(float position, float* out) const {
  const auto pairs = static_cast<int>(frequencies_.size());
  const bool alternate = kind_ == SinusoidKind::vaswani;
  if (2 * pairs < width_) out[width_ - 1] = 0.0f;
  for (int k = 0; k < pairs; ++k) {
    // Rounded to f32 before sine and cosine, as every reference does (positions.md 0.3).
    const auto angle = static_cast<double>(position * frequencies_[static_cast<size_t>(k)]);
    out[alternate ? 2 * k : k] = static_cast<float>(std::sin(angle));
    out[alternate ? 2 * k + 1 : pairs + k] = static_cast<float>(std::cos(angle));
  }
}

Status SinusoidalEmbedding::add(const float* ids, int64_t stride, int64_t tokens, float* rows) const {
  static thread_local std::vector<float> vector;
  vector.resize(static_cast<size_t>(sinusoid_.width()));
  for (int64_t token = 0; token < tokens; ++token, rows += sinusoid_.width()) {
    sinusoid_.write(ids[token * stride] + offset_, vector.data());
    for (size_t channel = 0; channel < vector.size(); ++channel) rows[channel] += vector[channel];
  }
  return ok_status();
}

}  // namespace azimuth::positions
