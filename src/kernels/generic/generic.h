// The generic level: plain loops that run on every processor and against which the wide levels are tested.
#pragma once

#include <stdint.h>

#include "kernels/attention_tile.h"

namespace azimuth::kernels::generic {

inline constexpr int kTileRows = 4;
inline constexpr int kPanelWidth = 16;

void pack_rows_f32(const float* x, int64_t ldx, int rows, int64_t count, void* out);
void tile_f32(const void* rows_packed, const void* panel, int64_t count, int rows, float* c, int64_t ldc,
              const float* bias, bool accumulate, const void* next, int64_t next_step);
void vector_f32(const void* row_packed, const void* panel, int64_t panel_bytes, int64_t panels, int64_t count, float* c,
                const float* bias);
void pack_rows_bf16(const float* x, int64_t ldx, int rows, int64_t count, void* out);
void tile_bf16(const void* rows_packed, const void* panel, int64_t count, int rows, float* c, int64_t ldc,
               const float* bias, bool accumulate, const void* next, int64_t next_step);
void vector_bf16(const void* row_packed, const void* panel, int64_t panel_bytes, int64_t panels, int64_t count,
                 float* c, const float* bias);

inline constexpr int64_t kQuantisedRowBytes = 4 + 64;  // of a packed row, per block: scale and quants
void pack_rows_quantised(const float* x, int64_t ldx, int rows, int64_t inputs, float largest, void* out);
void tile_q8(const void* rows_packed, const void* records, int64_t blocks, int rows, float* c, bool accumulate);
void tile_q4(const void* rows_packed, const void* records, int64_t blocks, int rows, float* c, bool accumulate);
void quantise_record_q8(const float* weights, void* record);
void quantise_record_q8_bounded(const float* weights, void* record);
void quantise_record_q4(const float* weights, void* record);

extern const AttentionKernels kAttentionF32;
extern const AttentionKernels kAttentionBf16;
extern const AttentionKernels kAttentionQ8;

void rms_norm(const float* x, int64_t width, const float* weight, float eps, float* y);
void layer_norm(const float* x, int64_t width, const float* weight, const float* bias, float eps, float* y);
void activate(int activation, float* x, int64_t count);
void activate_gated(int activation, float* gate, const float* up, int64_t count);
void add(float* x, const float* y, int64_t count);
void rotate(float* x, const float* cosines, const float* sines, int pairs, bool halves);
void delta_step(int key_dim, int value_dim, const float* query, const float* key, const float* value, float fade,
                float write, float* memory, float* scratch, float* out);
void add_products(const float* x, const float* w, int64_t count, float* y);
void log_sum_exp(const float* logits, int64_t width, float temperature, double* lse, double* entropy);
int64_t argmax(const float* x, int64_t width);

void resample_row(const uint8_t* in, int64_t in_width, int channels, const int32_t* first, const int32_t* count,
                  const int16_t* weights, int max_taps, int precision, int64_t out_width, uint8_t* out);
void resample_column(const uint8_t* in, int64_t row_bytes, int taps, const int16_t* weights, int precision,
                     uint8_t* out);

}  // namespace azimuth::kernels::generic
