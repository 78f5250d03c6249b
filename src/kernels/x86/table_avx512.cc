#include "kernels/x86/vector_avx512.h"
// The vector comes first: the following are written in terms of it.
#include "kernels/quantise_loops.h"
#include "kernels/x86/wide_attention.h"
#include "kernels/x86/wide_delta.h"
#include "kernels/x86/wide_math.h"
#include "kernels/x86/wide_products.h"
#include "kernels/x86/wide_quantised.h"
#include "kernels/x86/wide_resample.h"
#include "kernels/x86/wide_rows.h"
#include "kernels/x86/x86.h"

namespace azimuth::kernels {

const KernelTable kAvx512Table = {
    "avx512",
    {"avx512", kTileRows, kPanelWidth, 4, pack_rows_f32, tile_f32, vector_f32, nullptr},
    {"avx512", kTileRows, kPanelWidth, 4, pack_rows_bf16, tile_bf16, vector_bf16, widen_bf16, 2},
    {"avx512", kQ8Rows, kManyQ8Rows, 3 * kTileRows, kNarrowQ8Rows},
    {"avx512", kQ4Rows, kManyQ4Rows, 3 * kQ4TileRows},
    quantise_q8,
    quantise_q8_bounded,
    quantise_q4,
    {attention_in_f32("avx512", Stored::f32), attention_in_f32("avx512", Stored::bf16),
     attention_in_f32("avx512", Stored::q8)},
    rms_norm,
    layer_norm,
    activate,
    activate_gated,
    add,
    rotate,
    delta_step,
    add_products,
    log_sum_exp,
    argmax,
    resample_row,
    resample_column,
};

}  // namespace azimuth::kernels
