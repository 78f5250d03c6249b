// CABLE's bias: running sums of slopes that each token chooses (arXiv 2503.08067; positions.md 1.7).
#pragma once

namespace azimuth::positions {

// log(1 + e^x), which neither overflows nor loses small values.
double softplus(double x);

// A running sum as two f32, which together hold 48 bits: differences of sums over long prompts stay exact enough.
struct RunningSum {
  float high = 0.0f;
  float low = 0.0f;

  static RunningSum of(double value);
  double value() const { return static_cast<double>(high) + static_cast<double>(low); }
};

// b_t = b_{t-1} - g_t. The bias of query i and key j is b_i - b_j.
RunningSum advance(const RunningSum& previous, double slope);
float bias_between(const RunningSum& query, const RunningSum& key);

}  // namespace azimuth::positions
