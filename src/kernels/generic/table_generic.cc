#include "kernels/generic/generic.h"
#include "kernels/table.h"

namespace azimuth::kernels {

const KernelTable* generic_table() {
  using namespace generic;
  static const KernelTable kTable = {
      .name = "generic",
      .f32 = {"generic", kTileRows, kPanelWidth, 4, pack_rows_f32, tile_f32, vector_f32, nullptr},
      .bf16 = {"generic", kTileRows, kPanelWidth, 4, pack_rows_bf16, tile_bf16, vector_bf16, nullptr, 2},
      .q8 = {.name = "generic", .few = {kTileRows, kQuantisedRowBytes, pack_rows_quantised, tile_q8}},
      .q4 = {.name = "generic", .few = {kTileRows, kQuantisedRowBytes, pack_rows_quantised, tile_q4}},
      .quantise_q8 = quantise_record_q8,
      .quantise_q8_bounded = quantise_record_q8_bounded,
      .quantise_q4 = quantise_record_q4,
      .attention = {kAttentionF32, kAttentionBf16, kAttentionQ8},
      .rms_norm = rms_norm,
      .layer_norm = layer_norm,
      .activate = activate,
      .activate_gated = activate_gated,
      .add = add,
      .rotate = rotate,
      .delta_step = delta_step,
      .add_products = add_products,
      .log_sum_exp = log_sum_exp,
      .argmax = argmax,
      .resample_row = resample_row,
      .resample_column = resample_column,
  };
  return &kTable;
}

}  // namespace azimuth::kernels
