#include "positions/frequency/spectrum.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

namespace azimuth::positions {
namespace {

// theta^(2p/dim), with the exponent and the result rounded to f32 as the reference does.
float period_factor(double theta, int dim, int pair) {
  const float exponent = static_cast<float>(2 * pair) / static_cast<float>(dim);
  return static_cast<float>(std::pow(theta, static_cast<double>(exponent)));
}

Spectrum plain(const RopeSpec& rope) {
  Spectrum spectrum;
  spectrum.inv_freq = inverse_frequencies(rope.theta, rope.rotary_dim);
  return spectrum;
}

Spectrum linear(const RopeSpec& rope) {
  Spectrum spectrum = plain(rope);
  for (float& f : spectrum.inv_freq) f /= static_cast<float>(rope.factor);
  return spectrum;
}

// NTK-aware (positions.md 2.2): the slowest pair turns 1/alpha as fast, the fastest as before.
Spectrum ntk(const RopeSpec& rope, double alpha) {
  const double dim = rope.rotary_dim;
  Spectrum spectrum;
  spectrum.inv_freq = inverse_frequencies(rope.theta * std::pow(alpha, dim / (dim - 2.0)), rope.rotary_dim);
  return spectrum;
}

Spectrum dynamic_ntk(const RopeSpec& rope, int64_t length) {
  const double grown = std::max(static_cast<double>(length), rope.original_max_positions);
  return ntk(rope, rope.factor * grown / rope.original_max_positions - (rope.factor - 1.0));
}

Spectrum dynamic_linear(const RopeSpec& rope, int64_t length) {
  Spectrum spectrum = plain(rope);
  const double grown = std::max(static_cast<double>(length), rope.original_max_positions);
  for (float& f : spectrum.inv_freq) f *= static_cast<float>(rope.original_max_positions / grown);
  return spectrum;
}

// LongRoPE (arXiv 2402.13753): a factor for each pair, one list up to the original length and one beyond.
Result<Spectrum> longrope(const RopeSpec& rope, int64_t length) {
  const bool beyond = static_cast<double>(length) > rope.original_max_positions;
  const std::vector<double>& factors = beyond ? rope.long_factor : rope.short_factor;
  if (static_cast<int>(factors.size()) != rope.rotary_dim / 2) {
    return invalid_argument(std::string(beyond ? "long_factor" : "short_factor") + " of longrope expected " +
                            std::to_string(rope.rotary_dim / 2) + " numbers, one per rotary pair, found " +
                            std::to_string(factors.size()));
  }
  Spectrum spectrum;
  for (int pair = 0; pair < rope.rotary_dim / 2; ++pair) {
    spectrum.inv_freq.push_back(1.0f / (static_cast<float>(factors[static_cast<size_t>(pair)]) *
                                        period_factor(rope.theta, rope.rotary_dim, pair)));
  }
  if (rope.attention_factor) {
    spectrum.attention_scale = static_cast<float>(*rope.attention_factor);
  } else if (rope.factor > 1.0) {
    spectrum.attention_scale =
        static_cast<float>(std::sqrt(1.0 + std::log(rope.factor) / std::log(rope.original_max_positions)));
  }
  return spectrum;
}

// The first pairs turn with the exponents of the whole head, the others never (Gemma 4's full layers).
Spectrum proportional(const RopeSpec& rope) {
  Spectrum spectrum = plain(rope);
  const auto turning = static_cast<size_t>(rope.rotated_share * rope.rotary_dim / 2.0);
  for (size_t pair = 0; pair < spectrum.inv_freq.size(); ++pair) {
    float& f = spectrum.inv_freq[pair];
    f = pair < turning ? f / static_cast<float>(rope.factor) : 0.0f;
  }
  return spectrum;
}

Spectrum llama3(const RopeSpec& rope) {
  Spectrum spectrum = plain(rope);
  const auto low_wavelength = static_cast<float>(rope.original_max_positions / rope.low_freq_factor);
  const auto high_wavelength = static_cast<float>(rope.original_max_positions / rope.high_freq_factor);
  const auto factor = static_cast<float>(rope.factor);
  for (float& f : spectrum.inv_freq) {
    const float wavelength = static_cast<float>(2.0 * std::numbers::pi) / f;
    if (wavelength < high_wavelength) continue;
    if (wavelength > low_wavelength) {
      f /= factor;
      continue;
    }
    const float smooth =
        (static_cast<float>(rope.original_max_positions) / wavelength - static_cast<float>(rope.low_freq_factor)) /
        static_cast<float>(rope.high_freq_factor - rope.low_freq_factor);
    f = (1.0f - smooth) * f / factor + smooth * f;
  }
  return spectrum;
}

double yarn_mscale(double factor, double mscale) {
  return factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

double yarn_attention_factor(const RopeSpec& rope) {
  if (rope.attention_factor) return *rope.attention_factor;
  if (rope.mscale != 0.0 && rope.mscale_all_dim != 0.0) {
    return yarn_mscale(rope.factor, rope.mscale) / yarn_mscale(rope.factor, rope.mscale_all_dim);
  }
  return yarn_mscale(rope.factor, 1.0);
}

// YaRN (arXiv 2309.00071): high frequencies stay, low ones are divided by the factor, with a linear ramp between.
Spectrum yarn(const RopeSpec& rope) {
  const double dim = rope.rotary_dim;
  const auto pair_of_rotations = [&](double rotations) {
    return dim * std::log(rope.original_max_positions / (rotations * 2.0 * std::numbers::pi)) /
           (2.0 * std::log(rope.theta));
  };
  double low = pair_of_rotations(rope.beta_fast);
  double high = pair_of_rotations(rope.beta_slow);
  if (rope.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1.0);  // to d-1 although pairs end at d/2-1, as the reference does
  if (low == high) high += 0.001;
  Spectrum spectrum;
  for (int pair = 0; pair < rope.rotary_dim / 2; ++pair) {
    const float kept = 1.0f / period_factor(rope.theta, rope.rotary_dim, pair);
    const float stretched = 1.0f / (static_cast<float>(rope.factor) * period_factor(rope.theta, rope.rotary_dim, pair));
    const float ramp =
        std::clamp((static_cast<float>(pair) - static_cast<float>(low)) / static_cast<float>(high - low), 0.0f, 1.0f);
    const float keep = 1.0f - ramp;
    spectrum.inv_freq.push_back(stretched * (1.0f - keep) + kept * keep);
  }
  spectrum.attention_scale = static_cast<float>(yarn_attention_factor(rope));
  return spectrum;
}

}  // namespace

std::vector<float> inverse_frequencies(double theta, int dim) {
  std::vector<float> frequencies;
  for (int pair = 0; pair < dim / 2; ++pair) frequencies.push_back(1.0f / period_factor(theta, dim, pair));
  return frequencies;
}

Result<Spectrum> make_spectrum(const RopeSpec& rope, int64_t length) {
  if (rope.rotary_dim <= 0 || rope.rotary_dim % 2 != 0) {
    return invalid_argument("rotary embedding expected an even, positive number of channels, found " +
                            std::to_string(rope.rotary_dim));
  }
  switch (rope.scaling) {
    case RopeScaling::none: return plain(rope);
    case RopeScaling::linear: return linear(rope);
    case RopeScaling::ntk: return ntk(rope, rope.alpha);
    case RopeScaling::dynamic: return dynamic_ntk(rope, length);
    case RopeScaling::dynamic_linear: return dynamic_linear(rope, length);
    case RopeScaling::yarn: return yarn(rope);
    case RopeScaling::longrope: return longrope(rope, length);
    case RopeScaling::llama3: return llama3(rope);
    case RopeScaling::proportional: return proportional(rope);
  }
  return internal_error("a rope scaling has no spectrum");
}

}  // namespace azimuth::positions
