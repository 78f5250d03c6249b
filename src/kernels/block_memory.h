// Memory for the blocks of caches: many of one size, on huge pages that several of them share.
#pragma once

#include <cstddef>
#include <memory>

namespace azimuth::kernels {

// `bytes` zeros on a cache line. Memory of blocks that are gone is used again, and given back to the system where
// nothing else stands beside it. Any thread may ask and let go.
std::shared_ptr<std::byte[]> zeroed_block(size_t bytes);

}  // namespace azimuth::kernels
