// The table of functions that one level of the processor fills in. Plain data and declarations only: files compiled for
// wide instructions include this header, so it must not bring in inline functions that the linker could pick from them.
#pragma once

#include <stdint.h>

#include "kernels/attention_tile.h"
#include "kernels/quantised.h"

namespace azimuth::kernels {

// Products of one weight type. A tile is up to tile_rows rows of x times one panel of panel_width outputs; every output
// is one chain of multiply-adds over k, in order, whatever the number of rows.
struct ProductKernels {
  const char* name;
  int tile_rows;
  int panel_width;
  int row_element_bytes;  // of a packed row element

  // x [rows, count] with row stride ldx -> out [count, rows] (pairs of k together where the weights are paired). With
  // paired weights an odd count is filled up with zeros.
  void (*pack_rows)(const float* x, int64_t ldx, int rows, int64_t count, void* out);
  // c [rows, panel_width] = (accumulate ? c : 0) + rows x panel (+ bias [panel_width], when not null). Meanwhile asks
  // for the memory from `next` on, next_step bytes further with each step of k: what the caller will read after this.
  void (*tile)(const void* rows_packed, const void* panel, int64_t count, int rows, float* c, int64_t ldc,
               const float* bias, bool accumulate, const void* next, int64_t next_step);
  // One row against `panels` consecutive panels that lie panel_bytes apart: c [panels * panel_width].
  void (*vector)(const void* row_packed, const void* panel, int64_t panel_bytes, int64_t panels, int64_t count,
                 float* c, const float* bias);
  // Where weights are stored narrower than they are multiplied: count steps of a panel as f32 [count, panel_width], for
  // the tile function of the f32 products. nullptr where tile is as fast.
  void (*widen)(const void* panel, int64_t count, float* out);
  // Inputs are filled up with zeros to a multiple of this.
  int input_multiple = 1;
  // Steps of k between two visits of the results: a panel's slice stays in a near cache while all tiles pass. A
  // multiple of input_multiple.
  int64_t input_block = 384;
  // Called by a thread behind its last tile or vector; may be nullptr.
  void (*finish)() = nullptr;
};

struct KernelTable {
  const char* name;
  ProductKernels f32;
  ProductKernels bf16;
  QuantisedKernels q8;
  QuantisedKernels q4;
  QuantiseRecord quantise_q8;
  QuantiseRecord quantise_q8_bounded;  // groups of quants within kMostOfGroup
  QuantiseRecord quantise_q4;

  AttentionKernels attention[3];  // by CacheType

  void (*rms_norm)(const float* x, int64_t width, const float* weight, float eps, float* y);
  void (*layer_norm)(const float* x, int64_t width, const float* weight, const float* bias, float eps, float* y);
  void (*activate)(int activation, float* x, int64_t count);
  void (*activate_gated)(int activation, float* gate, const float* up, int64_t count);
  void (*add)(float* x, const float* y, int64_t count);
  void (*rotate)(float* x, const float* cosines, const float* sines, int pairs, bool halves);
  // See DeltaStep.
  void (*delta_step)(int key_dim, int value_dim, const float* query, const float* key, const float* value, float fade,
                     float write, float* memory, float* scratch, float* out);
  void (*add_products)(const float* x, const float* w, int64_t count, float* y);
  void (*log_sum_exp)(const float* logits, int64_t width, float temperature, double* lse, double* entropy);
  int64_t (*argmax)(const float* x, int64_t width);

  // One row of pixels and one output row: see ResampleTaps for the arithmetic.
  void (*resample_row)(const uint8_t* in, int64_t in_width, int channels, const int32_t* first, const int32_t* count,
                       const int16_t* weights, int max_taps, int precision, int64_t out_width, uint8_t* out);
  void (*resample_column)(const uint8_t* in, int64_t row_bytes, int taps, const int16_t* weights, int precision,
                          uint8_t* out);
};

// nullptr where this build or processor lacks the level.
const KernelTable* generic_table();
const KernelTable* avx2_table();
const KernelTable* avx512_table();
const KernelTable* avx512_vnni_table();
const KernelTable* avx512_bf16_table();
const KernelTable* amx_table();

}  // namespace azimuth::kernels
