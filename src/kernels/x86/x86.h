// What the files compiled for wide instructions define: constant data, so that nothing of theirs runs before the
// processor has been asked what it can do.
#pragma once

#include "kernels/table.h"

namespace azimuth::kernels {

extern const KernelTable kAvx2Table;
extern const KernelTable kAvx512Table;
// For the AVX-512 processors that multiply bytes in fours (VPDPBUSD).
extern const QuantisedKernels kAvx512VnniQ8;
extern const QuantisedKernels kAvx512VnniQ4;
// For those that multiply tiles of bytes (TDPBSSD).
extern const QuantisedRows kAmxRows;
// For those that multiply tiles of bf16 (TDPBF16PS).
extern const ProductKernels kAmxBf16Products;
// For those that multiply pairs of bf16 (VDPBF16PS).
extern const ProductKernels kAvx512Bf16Products;
extern const AttentionKernels kAvx512Bf16AttentionBf16;
extern const AttentionKernels kAvx512Bf16AttentionQ8;
// For those that multiply tiles of bf16 (TDPBF16PS).
extern const AttentionKernels kAmxAttentionBf16;
extern const AttentionKernels kAmxAttentionQ8;

}  // namespace azimuth::kernels
