#include "bench/peak.h"

namespace azimuth::bench {

// Multiply and add in four lanes, as the generic level's loops compile to on most processors.
int64_t peak_generic(int64_t rounds, float* sink) {
  typedef float Lanes __attribute__((vector_size(16)));
  const Lanes factor = {0.999f, 0.999f, 0.999f, 0.999f};
  // Chains that start alike would be merged into one.
  Lanes a = factor, b = a + a, c = b + a, d = c + a, e = d + a, f = e + a, g = f + a, h = g + a;
  for (int64_t i = 0; i < rounds; ++i) {
    a = a * factor + factor;
    b = b * factor + factor;
    c = c * factor + factor;
    d = d * factor + factor;
    e = e * factor + factor;
    f = f * factor + factor;
    g = g * factor + factor;
    h = h * factor + factor;
  }
  const Lanes sum = a + b + c + d + e + f + g + h;
  *sink = sum[0];
  return 8 * 4 * 2;
}

}  // namespace azimuth::bench
