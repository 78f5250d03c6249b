// The kernel table of the level in use.
#pragma once

#include "kernels/table.h"

namespace azimuth::kernels {

const KernelTable& active_table();

}  // namespace azimuth::kernels
