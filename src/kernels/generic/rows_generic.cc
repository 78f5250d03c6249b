#include <cmath>
#include <limits>

#include "kernels/generic/generic.h"
#include "kernels/kernels.h"

namespace azimuth::kernels::generic {
namespace {

float apply(Activation activation, float x) {
  constexpr float kInverseSqrt2 = 0.70710678118654752f;
  constexpr float kSqrt2OverPi = 0.79788456080286536f;
  switch (activation) {
    case Activation::gelu_erf: return 0.5f * x * std::erfc(-x * kInverseSqrt2);
    case Activation::gelu_tanh: return 0.5f * x * (1.0f + std::tanh(kSqrt2OverPi * (x + 0.044715f * x * x * x)));
    case Activation::quick_gelu: return x / (1.0f + std::exp(-1.702f * x));
    case Activation::silu: return x / (1.0f + std::exp(-x));
    case Activation::relu: return x < 0.0f ? 0.0f : x;
  }
  return x;
}

}  // namespace

void rms_norm(const float* x, int64_t width, const float* weight, float eps, float* y) {
  double squares = 0.0;
  for (int64_t j = 0; j < width; ++j) squares += static_cast<double>(x[j]) * x[j];
  const float scale = static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(width) + eps));
  for (int64_t j = 0; j < width; ++j) y[j] = weight ? x[j] * scale * weight[j] : x[j] * scale;
}

void layer_norm(const float* x, int64_t width, const float* weight, const float* bias, float eps, float* y) {
  double sum = 0.0;
  for (int64_t j = 0; j < width; ++j) sum += x[j];
  const double mean = sum / static_cast<double>(width);
  double squares = 0.0;
  for (int64_t j = 0; j < width; ++j) squares += (x[j] - mean) * (x[j] - mean);
  const double scale = 1.0 / std::sqrt(squares / static_cast<double>(width) + eps);
  for (int64_t j = 0; j < width; ++j) {
    const float normal = static_cast<float>((x[j] - mean) * scale);
    y[j] = (weight ? normal * weight[j] : normal) + (bias ? bias[j] : 0.0f);
  }
}

void activate(int activation, float* x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) x[i] = apply(static_cast<Activation>(activation), x[i]);
}

void activate_gated(int activation, float* gate, const float* up, int64_t count) {
  for (int64_t i = 0; i < count; ++i) gate[i] = apply(static_cast<Activation>(activation), gate[i]) * up[i];
}

void add(float* x, const float* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) x[i] += y[i];
}

void rotate(float* x, const float* cosines, const float* sines, int pairs, bool halves) {
  const int64_t step = halves ? 1 : 2;
  const int64_t partner = halves ? pairs : 1;
  for (int64_t p = 0; p < pairs; ++p) {
    const float a = x[p * step];
    const float b = x[p * step + partner];
    x[p * step] = a * cosines[p] - b * sines[p];
    x[p * step + partner] = b * cosines[p] + a * sines[p];
  }
}

void delta_step(int key_dim, int value_dim, const float* query, const float* key, const float* value, float fade,
                float write, float* memory, float* scratch, float* out) {
  for (int v = 0; v < value_dim; ++v) scratch[v] = out[v] = 0.0f;
  for (int k = 0; k < key_dim; ++k) {
    float* row = memory + int64_t{k} * value_dim;
    for (int v = 0; v < value_dim; ++v) {
      row[v] *= fade;
      scratch[v] += row[v] * key[k];
    }
  }
  for (int v = 0; v < value_dim; ++v) scratch[v] = (value[v] - scratch[v]) * write;
  for (int k = 0; k < key_dim; ++k) {
    float* row = memory + int64_t{k} * value_dim;
    for (int v = 0; v < value_dim; ++v) {
      row[v] += key[k] * scratch[v];
      out[v] += row[v] * query[k];
    }
  }
}

void add_products(const float* x, const float* w, int64_t count, float* y) {
  for (int64_t j = 0; j < count; ++j) y[j] += x[j] * w[j];
}

void log_sum_exp(const float* logits, int64_t width, float temperature, double* lse, double* entropy) {
  const double highest = width > 0 ? logits[argmax(logits, width)] : -std::numeric_limits<double>::infinity();
  if (highest == -std::numeric_limits<double>::infinity()) {  // no choice has any probability
    *lse = highest;
    if (entropy) *entropy = 0.0;
    return;
  }
  double sum = 0.0;       // of exp(d)
  double weighted = 0.0;  // of d exp(d)
  for (int64_t j = 0; j < width; ++j) {
    const double d = (logits[j] - highest) / temperature;
    const double e = std::exp(d);
    sum += e;
    if (e != 0.0) weighted += e * d;
  }
  *lse = highest / temperature + std::log(sum);
  if (entropy) *entropy = std::log(sum) - weighted / sum;
}

int64_t argmax(const float* x, int64_t width) {
  int64_t best = 0;
  for (int64_t j = 1; j < width; ++j)
    if (x[j] > x[best]) best = j;
  return best;
}

}  // namespace azimuth::kernels::generic
