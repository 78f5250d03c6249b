// Gated delta-rule attention, for any Vec. Channels of the values are independent, so each is one chain over the keys.
#pragma once

#include "kernels/table.h"

namespace azimuth::kernels {
namespace {

// Columns [first, first + width) of the memory; the lanes behind `width` read zeros and are not written.
template <bool kWhole>
AZ_WIDE void delta_columns(int key_dim, int value_dim, const float* query, const float* key, const float* value,
                           float fade, float write, float* memory, float* out, int64_t width) {
  const auto load = [width](const float* p) __attribute__((always_inline)) {
    if constexpr (kWhole) return Vec::load(p);
    return Vec::load_part(p, width);
  };
  const auto store = [width](float* p, Vec::F v) __attribute__((always_inline)) {
    if constexpr (kWhole) {
      Vec::store(p, v);
    } else {
      Vec::store_part(p, width, v);
    }
  };
  const Vec::F fades = Vec::all(fade);
  Vec::F recalled = Vec::zero();
  for (int k = 0; k < key_dim; ++k) {
    float* row = memory + int64_t{k} * value_dim;
    const Vec::F faded = Vec::mul(load(row), fades);
    store(row, faded);
    recalled = Vec::fma(faded, Vec::all(key[k]), recalled);
  }
  const Vec::F change = Vec::mul(Vec::sub(load(value), recalled), Vec::all(write));
  Vec::F read = Vec::zero();
  for (int k = 0; k < key_dim; ++k) {
    float* row = memory + int64_t{k} * value_dim;
    const Vec::F now = Vec::fma(Vec::all(key[k]), change, load(row));
    store(row, now);
    read = Vec::fma(now, Vec::all(query[k]), read);
  }
  store(out, read);
}

void delta_step(int key_dim, int value_dim, const float* query, const float* key, const float* value, float fade,
                float write, float* memory, float* /*scratch*/, float* out) {
  int v = 0;
  for (; v + Vec::kWidth <= value_dim; v += Vec::kWidth)
    delta_columns<true>(key_dim, value_dim, query, key, value + v, fade, write, memory + v, out + v, Vec::kWidth);
  if (v < value_dim)
    delta_columns<false>(key_dim, value_dim, query, key, value + v, fade, write, memory + v, out + v, value_dim - v);
}

void add_products(const float* x, const float* w, int64_t count, float* y) {
  int64_t j = 0;
  for (; j + Vec::kWidth <= count; j += Vec::kWidth)
    Vec::store(y + j, Vec::fma(Vec::load(x + j), Vec::load(w + j), Vec::load(y + j)));
  if (j < count)
    Vec::store_part(
        y + j, count - j,
        Vec::fma(Vec::load_part(x + j, count - j), Vec::load_part(w + j, count - j), Vec::load_part(y + j, count - j)));
}

}  // namespace
}  // namespace azimuth::kernels
