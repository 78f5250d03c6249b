#include "base/pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <new>

namespace azimuth {
namespace {

constexpr std::align_val_t kAlignment{64};
constexpr size_t kHuge = size_t{2} << 20;

size_t round_up(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

// A map of `bytes` that begins on a multiple of kHuge and ends where it is used up: a huge page beyond its end would be
// memory for nothing. Null where there is none.
std::byte* map_aligned(size_t bytes) {
  void* const address = ::mmap(nullptr, bytes + kHuge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) return nullptr;
  auto* const begin = static_cast<std::byte*>(address);
  const size_t skipped = round_up(reinterpret_cast<uintptr_t>(begin), kHuge) - reinterpret_cast<uintptr_t>(begin);
  if (skipped > 0) ::munmap(begin, skipped);
  if (skipped < kHuge) ::munmap(begin + skipped + bytes, kHuge - skipped);
  ::madvise(begin + skipped, bytes, MADV_HUGEPAGE);  // a hint
  return begin + skipped;
}

}  // namespace

bool Pages::try_allocate(size_t bytes) {
  if (bytes >= kHuge) {
    mapped_ = round_up(bytes, static_cast<size_t>(::sysconf(_SC_PAGESIZE)));
    data_ = map_aligned(mapped_);
  } else {
    data_ = static_cast<std::byte*>(::operator new(bytes > 0 ? bytes : 1, kAlignment, std::nothrow));
  }
  return data_ != nullptr;
}

void Pages::allocate(size_t bytes) {
  if (!try_allocate(bytes)) throw std::bad_alloc();
}

Pages::~Pages() {
  if (data_ == nullptr) return;
  if (mapped_ > 0) {
    ::munmap(data_, mapped_);
  } else {
    ::operator delete(data_, kAlignment);
  }
}

}  // namespace azimuth
