#include "base/float16.h"
#include "kernels/generic/generic.h"

namespace azimuth::kernels::generic {
namespace {

// One step of the chains: acc[r][j] += row[r] * weight[j].
template <int kRows>
inline void multiply_add(const float* row, const float* weight, float acc[][kPanelWidth]) {
  for (int r = 0; r < kRows; ++r)
    for (int j = 0; j < kPanelWidth; ++j) acc[r][j] += row[r] * weight[j];
}

template <int kRows>
void store(const float acc[][kPanelWidth], const float* bias, float* c, int64_t ldc) {
  for (int r = 0; r < kRows; ++r)
    for (int j = 0; j < kPanelWidth; ++j) c[r * ldc + j] = bias ? acc[r][j] + bias[j] : acc[r][j];
}

template <int kRows>
void load(const float* c, int64_t ldc, bool accumulate, float acc[][kPanelWidth]) {
  for (int r = 0; r < kRows; ++r)
    for (int j = 0; j < kPanelWidth; ++j) acc[r][j] = accumulate ? c[r * ldc + j] : 0.0f;
}

// a [count, kRows], b [count, kPanelWidth]
template <int kRows>
void tile_f32_rows(const float* a, const float* b, int64_t count, float* c, int64_t ldc, const float* bias,
                   bool accumulate) {
  float acc[kRows][kPanelWidth];
  load<kRows>(c, ldc, accumulate, acc);
  for (int64_t k = 0; k < count; ++k) multiply_add<kRows>(a + k * kRows, b + k * kPanelWidth, acc);
  store<kRows>(acc, bias, c, ldc);
}

// a [count, kRows] f32 that hold bf16 values, b [count / 2, kPanelWidth, 2]
template <int kRows>
void tile_bf16_rows(const float* a, const uint16_t* b, int64_t count, float* c, int64_t ldc, const float* bias,
                    bool accumulate) {
  float acc[kRows][kPanelWidth];
  load<kRows>(c, ldc, accumulate, acc);
  for (int64_t k = 0; k < count; ++k) {
    const uint16_t* pairs = b + (k / 2) * 2 * kPanelWidth + k % 2;
    float weight[kPanelWidth];
    for (int j = 0; j < kPanelWidth; ++j) weight[j] = bf16_to_f32(pairs[2 * j]);
    multiply_add<kRows>(a + k * kRows, weight, acc);
  }
  store<kRows>(acc, bias, c, ldc);
}

}  // namespace

void pack_rows_f32(const float* x, int64_t ldx, int rows, int64_t count, void* out) {
  float* packed = static_cast<float*>(out);
  for (int64_t k = 0; k < count; ++k)
    for (int r = 0; r < rows; ++r) packed[k * rows + r] = x[r * ldx + k];
}

void pack_rows_bf16(const float* x, int64_t ldx, int rows, int64_t count, void* out) {
  float* packed = static_cast<float*>(out);
  for (int64_t k = 0; k < count; ++k)
    for (int r = 0; r < rows; ++r) packed[k * rows + r] = bf16_to_f32(f32_to_bf16(x[r * ldx + k]));
  if (count % 2 == 0) return;
  for (int r = 0; r < rows; ++r) packed[count * rows + r] = 0.0f;
}

void tile_f32(const void* rows_packed, const void* panel, int64_t count, int rows, float* c, int64_t ldc,
              const float* bias, bool accumulate, const void* /*next*/, int64_t /*next_step*/) {
  const float* a = static_cast<const float*>(rows_packed);
  const float* b = static_cast<const float*>(panel);
  switch (rows) {
    case 1: return tile_f32_rows<1>(a, b, count, c, ldc, bias, accumulate);
    case 2: return tile_f32_rows<2>(a, b, count, c, ldc, bias, accumulate);
    case 3: return tile_f32_rows<3>(a, b, count, c, ldc, bias, accumulate);
    default: return tile_f32_rows<4>(a, b, count, c, ldc, bias, accumulate);
  }
}

void tile_bf16(const void* rows_packed, const void* panel, int64_t count, int rows, float* c, int64_t ldc,
               const float* bias, bool accumulate, const void* /*next*/, int64_t /*next_step*/) {
  const float* a = static_cast<const float*>(rows_packed);
  const uint16_t* b = static_cast<const uint16_t*>(panel);
  count += count % 2;
  switch (rows) {
    case 1: return tile_bf16_rows<1>(a, b, count, c, ldc, bias, accumulate);
    case 2: return tile_bf16_rows<2>(a, b, count, c, ldc, bias, accumulate);
    case 3: return tile_bf16_rows<3>(a, b, count, c, ldc, bias, accumulate);
    default: return tile_bf16_rows<4>(a, b, count, c, ldc, bias, accumulate);
  }
}

void vector_f32(const void* row_packed, const void* panel, int64_t panel_bytes, int64_t panels, int64_t count, float* c,
                const float* bias) {
  const uint8_t* b = static_cast<const uint8_t*>(panel);
  for (int64_t p = 0; p < panels; ++p)
    tile_f32(row_packed, b + p * panel_bytes, count, 1, c + p * kPanelWidth, 0, bias ? bias + p * kPanelWidth : nullptr,
             false, nullptr, 0);
}

void vector_bf16(const void* row_packed, const void* panel, int64_t panel_bytes, int64_t panels, int64_t count,
                 float* c, const float* bias) {
  const uint8_t* b = static_cast<const uint8_t*>(panel);
  for (int64_t p = 0; p < panels; ++p)
    tile_bf16(row_packed, b + p * panel_bytes, count, 1, c + p * kPanelWidth, 0,
              bias ? bias + p * kPanelWidth : nullptr, false, nullptr, 0);
}

}  // namespace azimuth::kernels::generic
