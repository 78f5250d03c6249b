// Norms, activations, rotation and reductions of rows, for any Vec. A tail shorter than a vector goes through the same
// operations as the rest, so an element does not depend on its place.
#pragma once

#include "kernels/table.h"
#include "kernels/x86/wide_math.h"

namespace azimuth::kernels {
namespace {

// y[j] = step(x[j], at) for every j, where at(p) reads p[j] of another row.
template <typename Step>
AZ_WIDE void map_vectors(const float* x, int64_t width, float* y, const Step& step) {
  int64_t j = 0;
  for (; j + Vec::kWidth <= width; j += Vec::kWidth)
    Vec::store(y + j,
               step(
                   Vec::load(x + j), [j](const float* p) __attribute__((always_inline)) { return Vec::load(p + j); }));
  if (j < width) {
    const int64_t rest = width - j;
    Vec::store_part(y + j, rest,
                    step(
                        Vec::load_part(x + j, rest), [ j, rest ](const float* p) __attribute__((always_inline)) {
                          return Vec::load_part(p + j, rest);
                        }));
  }
}

// Four chains of vectors, joined at the end: fixed by the width alone.
template <typename Term>
AZ_WIDE float sum_of(const float* x, int64_t width, const Term& term) {
  Vec::F s0 = Vec::zero(), s1 = Vec::zero(), s2 = Vec::zero(), s3 = Vec::zero();
  int64_t j = 0;
  for (; j + 4 * Vec::kWidth <= width; j += 4 * Vec::kWidth) {
    s0 = term(Vec::load(x + j), s0);
    s1 = term(Vec::load(x + j + Vec::kWidth), s1);
    s2 = term(Vec::load(x + j + 2 * Vec::kWidth), s2);
    s3 = term(Vec::load(x + j + 3 * Vec::kWidth), s3);
  }
  for (; j + Vec::kWidth <= width; j += Vec::kWidth) s0 = term(Vec::load(x + j), s0);
  float sum = 0.0f;
  if (j < width) {  // lanes without an element hold the term of zero, so they are left out
    alignas(64) float part[Vec::kWidth] = {};
    Vec::store_part(part, width - j, term(Vec::load_part(x + j, width - j), Vec::zero()));
    sum = Vec::sum(Vec::load(part));
  }
  return Vec::sum(Vec::add(Vec::add(s0, s1), Vec::add(s2, s3))) + sum;
}

AZ_WIDE float inverse_root(float x) {
  return 1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x)));
}

void rms_norm(const float* x, int64_t width, const float* weight, float eps, float* y) {
  const float squares = sum_of(
      x, width, [](Vec::F v, Vec::F sum) __attribute__((always_inline)) { return Vec::fma(v, v, sum); });
  const Vec::F scale = Vec::all(inverse_root(squares / static_cast<float>(width) + eps));
  map_vectors(
      x, width, y, [&](Vec::F v, auto at) __attribute__((always_inline)) {
        const Vec::F normal = Vec::mul(v, scale);
        return weight != nullptr ? Vec::mul(normal, at(weight)) : normal;
      });
}

void layer_norm(const float* x, int64_t width, const float* weight, const float* bias, float eps, float* y) {
  const float count = static_cast<float>(width);
  const float sum = sum_of(
      x, width, [](Vec::F v, Vec::F s) __attribute__((always_inline)) { return Vec::add(s, v); });
  const Vec::F mean = Vec::all(sum / count);
  const float squares = sum_of(
      x, width, [&](Vec::F v, Vec::F s) __attribute__((always_inline)) {
        const Vec::F d = Vec::sub(v, mean);
        return Vec::fma(d, d, s);
      });
  const Vec::F scale = Vec::all(inverse_root(squares / count + eps));
  map_vectors(
      x, width, y, [&](Vec::F v, auto at) __attribute__((always_inline)) {
        Vec::F normal = Vec::mul(Vec::sub(v, mean), scale);
        if (weight != nullptr) normal = Vec::mul(normal, at(weight));
        return bias != nullptr ? Vec::add(normal, at(bias)) : normal;
      });
}

// Activation by number, in the order of the enumeration in kernels.h.
template <int kActivation>
AZ_WIDE Vec::F activation_of(Vec::F x) {
  if constexpr (kActivation == 0) return Vec::mul(x, normal_cdf(x));
  if constexpr (kActivation == 1) {  // 0.5 x (1 + tanh y) = x / (1 + e^-2y)
    const Vec::F twice = Vec::fma(Vec::mul(x, x), Vec::all(0.0713548162726f), Vec::all(1.59576912160573f));
    return times_sigmoid(x, Vec::mul(x, twice));
  }
  if constexpr (kActivation == 2) return times_sigmoid(x, Vec::mul(x, Vec::all(1.702f)));
  if constexpr (kActivation == 3) return times_sigmoid(x, x);
  return Vec::max(Vec::zero(), x);
}

template <int kActivation>
void activate_run(float* x, const float* up, int64_t count) {
  if (up == nullptr) {
    map_vectors(
        x, count, x, [](Vec::F v, auto) __attribute__((always_inline)) { return activation_of<kActivation>(v); });
  } else {
    map_vectors(
        x, count, x, [up](Vec::F v, auto at) __attribute__((always_inline)) {
          return Vec::mul(activation_of<kActivation>(v), at(up));
        });
  }
}

void activate_gated(int activation, float* gate, const float* up, int64_t count) {
  switch (activation) {
    case 0: return activate_run<0>(gate, up, count);
    case 1: return activate_run<1>(gate, up, count);
    case 2: return activate_run<2>(gate, up, count);
    case 3: return activate_run<3>(gate, up, count);
    default: return activate_run<4>(gate, up, count);
  }
}

void activate(int activation, float* x, int64_t count) {
  activate_gated(activation, x, nullptr, count);
}

void add(float* x, const float* y, int64_t count) {
  map_vectors(
      x, count, x, [y](Vec::F v, auto at) __attribute__((always_inline)) { return Vec::add(v, at(y)); });
}

// Products and sums round separately, as torch's do: the result is the same at every level.
void rotate_halves(float* x, const float* cosines, const float* sines, int64_t pairs) {
  float* y = x + pairs;
  int64_t p = 0;
  for (; p + Vec::kWidth <= pairs; p += Vec::kWidth) {
    const Vec::F a = Vec::load(x + p), b = Vec::load(y + p), c = Vec::load(cosines + p), s = Vec::load(sines + p);
    Vec::store(x + p, Vec::sub(Vec::mul(a, c), Vec::mul(b, s)));
    Vec::store(y + p, Vec::add(Vec::mul(b, c), Vec::mul(a, s)));
  }
  for (; p < pairs; ++p) {
    const float a = x[p], b = y[p];
    x[p] = a * cosines[p] - b * sines[p];
    y[p] = b * cosines[p] + a * sines[p];
  }
}

void rotate_neighbours(float* x, const float* cosines, const float* sines, int64_t pairs) {
  const __m256i twice = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
  int64_t p = 0;
  for (; p + 4 <= pairs; p += 4) {
    const __m256 v = _mm256_loadu_ps(x + 2 * p);
    const __m256 c = _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(cosines + p)), twice);
    const __m256 s = _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(sines + p)), twice);
    const __m256 swapped = _mm256_permute_ps(v, 0xb1);
    _mm256_storeu_ps(x + 2 * p, _mm256_addsub_ps(_mm256_mul_ps(v, c), _mm256_mul_ps(swapped, s)));
  }
  for (; p < pairs; ++p) {
    const float a = x[2 * p], b = x[2 * p + 1];
    x[2 * p] = a * cosines[p] - b * sines[p];
    x[2 * p + 1] = b * cosines[p] + a * sines[p];
  }
}

void rotate(float* x, const float* cosines, const float* sines, int pairs, bool halves) {
  if (halves) return rotate_halves(x, cosines, sines, pairs);
  rotate_neighbours(x, cosines, sines, pairs);
}

// The largest element that is not NaN, or -infinity.
AZ_WIDE float highest_of(const float* x, int64_t width) {
  Vec::F best = Vec::all(-__builtin_inff());
  int64_t j = 0;
  for (; j + Vec::kWidth <= width; j += Vec::kWidth) best = Vec::max(Vec::load(x + j), best);
  float highest = Vec::highest(best);
  for (; j < width; ++j)
    if (x[j] > highest) highest = x[j];
  return highest;
}

int64_t argmax(const float* x, int64_t width) {
  if (width == 0 || x[0] != x[0]) return 0;
  const float highest = highest_of(x, width);
  const Vec::F wanted = Vec::all(highest);
  int64_t j = 0;
  while (j + Vec::kWidth <= width && !Vec::any_equal(Vec::load(x + j), wanted)) j += Vec::kWidth;
  while (j < width && x[j] != highest) ++j;
  return j;
}

void log_sum_exp(const float* logits, int64_t width, float temperature, double* lse, double* entropy) {
  const float highest = highest_of(logits, width);
  if (highest == -__builtin_inff()) {  // no choice has any probability
    *lse = highest;
    if (entropy != nullptr) *entropy = 0.0;
    return;
  }
  const Vec::F shift = Vec::all(highest);
  const Vec::F sharpness = Vec::all(1.0f / temperature);
  const Vec::F floor = Vec::all(-200.0f);  // exp is zero there; keeps 0 times -infinity out of the sum
  Vec::D sum = Vec::zero_f64();            // of exp(d)
  Vec::D weighted = Vec::zero_f64();       // of d exp(d)
  const auto term = [&](Vec::F x) __attribute__((always_inline)) {
    const Vec::F d = Vec::max(floor, Vec::mul(Vec::sub(x, shift), sharpness));
    const Vec::F e = exp_of(d);
    sum = Vec::add_f64(sum, e);
    weighted = Vec::add_f64(weighted, Vec::mul(d, e));
  };
  int64_t j = 0;
  for (; j + Vec::kWidth <= width; j += Vec::kWidth) term(Vec::load(logits + j));
  if (j < width) {
    alignas(64) float part[Vec::kWidth];
    Vec::store(part, Vec::all(-__builtin_inff()));
    for (int64_t i = j; i < width; ++i) part[i - j] = logits[i];
    term(Vec::load(part));
  }
  const double total = Vec::sum_f64(sum);
  const double log_total = __builtin_log(total);
  *lse = static_cast<double>(highest) / temperature + log_total;
  if (entropy != nullptr) *entropy = log_total - Vec::sum_f64(weighted) / total;
}

}  // namespace
}  // namespace azimuth::kernels
