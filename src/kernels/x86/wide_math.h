// exp, tanh and erfc on vectors, for any Vec. Polynomials are minimax fits (weighted least squares, reweighted); the
// errors given are of the polynomial alone, in units of 2^-24.
#pragma once

namespace azimuth::kernels {
namespace {

constexpr float kLog2E = 1.44269504f;

// e^r, for x = n ln 2 + r with a whole n and |r| <= ln 2 / 2: 1 + r + r^2 P(r) with P to 0.06 units.
AZ_WIDE Vec::F exp_of_rest(Vec::F x, Vec::F n) {
  Vec::F r = Vec::fnma(n, Vec::all(0.693359375f), x);  // the upper bits of ln 2: n times it is exact
  r = Vec::fnma(n, Vec::all(-2.12194440e-4f), r);
  Vec::F p = Vec::all(0.0013814465f);
  p = Vec::fma(p, r, Vec::all(0.008368781f));
  p = Vec::fma(p, r, Vec::all(0.041668393f));
  p = Vec::fma(p, r, Vec::all(0.1666652f));
  p = Vec::fma(p, r, Vec::all(0.49999994f));
  p = Vec::fma(p, r, Vec::all(1.0f));
  return Vec::fma(p, r, Vec::all(1.0f));
}

// exp(x), 2 units; 0 and infinity beyond the range of f32, NaN for NaN.
AZ_WIDE Vec::F exp_of(Vec::F x) {
  x = Vec::min(Vec::all(90.0f), Vec::max(Vec::all(-110.0f), x));
  const Vec::F n = Vec::round(Vec::mul(x, Vec::all(kLog2E)));
  return Vec::scale(exp_of_rest(x, n), n);
}

// 2^x for x <= 0, never less than 2^-124 (4.7e-38): beside a weight of 1, which every softmax has, that is nothing. NaN
// for NaN. The polynomial of degree 6 errs by 0.03 units; the one of degree 4 by 44, a thousandth of what rounding to
// bf16 does.
template <bool kExact>
AZ_WIDE Vec::F weight_of(Vec::F x) {
  x = Vec::max(Vec::all(-124.0f), x);
  const Vec::F n = Vec::round(x);
  const Vec::F r = Vec::sub(x, n);
  Vec::F p;
  if constexpr (kExact) {
    p = Vec::fma(r, Vec::all(0.000153458119f), Vec::all(0.00133999309f));
    p = Vec::fma(p, r, Vec::all(0.00961848907f));
    p = Vec::fma(p, r, Vec::all(0.0555032864f));
    p = Vec::fma(p, r, Vec::all(0.240226462f));
    p = Vec::fma(p, r, Vec::all(0.693147182f));
    p = Vec::fma(p, r, Vec::all(1.0f));
  } else {
    p = Vec::fma(r, Vec::all(0.00957010221f), Vec::all(0.0559178591f));
    p = Vec::fma(p, r, Vec::all(0.24024745f));
    p = Vec::fma(p, r, Vec::all(0.693121791f));
    p = Vec::fma(p, r, Vec::all(0.999999285f));
  }
  return Vec::scale_near_one(p, n);
}

// tanh(x), 3 units relative: x + x^3 P(x^2) with P to 0.1 units below 0.625, 1 - 2 / (e^2|x| + 1) above.
AZ_WIDE Vec::F tanh_of(Vec::F x) {
  const Vec::F size = Vec::magnitude(x);
  const Vec::F square = Vec::mul(x, x);
  Vec::F p = Vec::all(-0.0056039053f);
  p = Vec::fma(p, square, Vec::all(0.020551711f));
  p = Vec::fma(p, square, Vec::all(-0.053714104f));
  p = Vec::fma(p, square, Vec::all(0.13331152f));
  p = Vec::fma(p, square, Vec::all(-0.33333272f));
  const Vec::F small = Vec::fma(Vec::mul(p, square), x, x);
  const Vec::F e = exp_of(Vec::add(size, size));
  const Vec::F large = Vec::sub(Vec::all(1.0f), Vec::div(Vec::all(2.0f), Vec::add(e, Vec::all(1.0f))));
  return Vec::select(Vec::less(size, Vec::all(0.625f)), small, Vec::with_sign(large, x));
}

// The normal distribution function, 0.5 erfc(-x / sqrt 2), 4 units absolute: erfc(z) = e^-z^2 t P(t) for z >= 0 with
// t = 1 / (1 + 0.4 z) and P to 0.4 units.
AZ_WIDE Vec::F normal_cdf(Vec::F x) {
  const Vec::F z = Vec::mul(Vec::magnitude(x), Vec::all(0.70710678f));
  const Vec::F t = Vec::div(Vec::all(1.0f), Vec::fma(z, Vec::all(0.4f), Vec::all(1.0f)));
  Vec::F p = Vec::all(0.0323570669f);
  p = Vec::fma(p, t, Vec::all(-0.0971856341f));
  p = Vec::fma(p, t, Vec::all(-0.00474469736f));
  p = Vec::fma(p, t, Vec::all(0.188800842f));
  p = Vec::fma(p, t, Vec::all(0.0107498961f));
  p = Vec::fma(p, t, Vec::all(0.222412214f));
  p = Vec::fma(p, t, Vec::all(0.194589674f));
  p = Vec::fma(p, t, Vec::all(0.227443531f));
  p = Vec::fma(p, t, Vec::all(0.225577131f));
  const Vec::F gauss = exp_of(Vec::mul(Vec::mul(x, x), Vec::all(-0.5f)));
  const Vec::F tail = Vec::mul(Vec::mul(gauss, Vec::all(0.5f)), Vec::mul(p, t));
  return Vec::select(Vec::less(x, Vec::zero()), tail, Vec::sub(Vec::all(1.0f), tail));
}

// x / (1 + e^-y)
AZ_WIDE Vec::F times_sigmoid(Vec::F x, Vec::F y) {
  return Vec::div(x, Vec::add(Vec::all(1.0f), exp_of(Vec::sub(Vec::zero(), y))));
}

}  // namespace
}  // namespace azimuth::kernels
