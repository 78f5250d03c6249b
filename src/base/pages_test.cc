#include "base/pages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>

namespace azimuth {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

uintptr_t address_of(const Pages& pages) {
  return reinterpret_cast<uintptr_t>(pages.data());
}

TEST(PagesTest, GivesAlignedBytesOfAnySize) {
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{4096}, kHugePage - 1, kHugePage, 3 * kHugePage + 5}) {
    Pages pages;
    pages.allocate(bytes);
    ASSERT_NE(pages.data(), nullptr) << bytes;
    EXPECT_EQ(address_of(pages) % (bytes >= kHugePage ? kHugePage : 64), 0u) << bytes;
    std::memset(pages.data(), 7, bytes);
    EXPECT_EQ(std::count(pages.data(), pages.data() + bytes, std::byte{7}), static_cast<ptrdiff_t>(bytes));
  }
}

TEST(PagesTest, HandsItsBytesOnAndKeepsNone) {
  for (const size_t bytes : {size_t{100}, 2 * kHugePage}) {
    Pages first, second;
    first.allocate(bytes);
    second.allocate(64);
    std::byte* const data = first.data();
    second = std::move(first);
    EXPECT_EQ(second.data(), data);
    EXPECT_EQ(first.data(), nullptr);  // NOLINT(bugprone-use-after-move)
    const Pages third(std::move(second));
    EXPECT_EQ(third.data(), data);
    EXPECT_EQ(second.data(), nullptr);  // NOLINT(bugprone-use-after-move)
  }
}

TEST(PagesTest, SaysWhenThereIsNoMemory) {
  constexpr size_t kTooMuch = std::numeric_limits<size_t>::max() / 2;
  Pages pages;
  EXPECT_FALSE(pages.try_allocate(kTooMuch));
  EXPECT_EQ(pages.data(), nullptr);
  EXPECT_THROW(pages.allocate(kTooMuch), std::bad_alloc);
}

}  // namespace
}  // namespace azimuth
