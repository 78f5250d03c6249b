// What the files compiled for wide instructions define: constant data, so that nothing of theirs runs before the
// processor has been asked what it can do.
#pragma once

#include "kernels/table.h"

namespace azimuth::kernels {

extern const KernelTable kAvx2Table;
extern const KernelTable kAvx512Table;
// For the AVX-512 processors that multiply pairs of bf16 (VDPBF16PS).
extern const ProductKernels kAvx512Bf16Products;

}  // namespace azimuth::kernels
