#include "kernels/block_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

namespace azimuth::kernels {
namespace {

bool all_zero(const std::byte* block, size_t bytes) {
  return std::all_of(block, block + bytes, [](std::byte b) { return b == std::byte{0}; });
}

TEST(BlockMemory, BlocksAreZerosOnALineAndDoNotMeet) {
  for (const size_t bytes : {size_t{100}, size_t{40'000}, size_t{131'136}, size_t{1} << 20, size_t{3} << 20}) {
    std::vector<std::shared_ptr<std::byte[]>> blocks;
    for (int i = 0; i < 90 && bytes * blocks.size() < size_t{40} << 20; ++i) {
      blocks.push_back(zeroed_block(bytes));
      ASSERT_EQ(reinterpret_cast<uintptr_t>(blocks.back().get()) % 64, 0u);
      ASSERT_TRUE(all_zero(blocks.back().get(), bytes)) << bytes;
      std::memset(blocks.back().get(), i + 1, bytes);
    }
    for (size_t i = 0; i < blocks.size(); ++i) {
      ASSERT_EQ(blocks[i][0], static_cast<std::byte>(i + 1)) << bytes;
      ASSERT_EQ(blocks[i][bytes - 1], static_cast<std::byte>(i + 1)) << bytes;
    }
  }
}

TEST(BlockMemory, WhatIsUsedAgainIsZero) {
  constexpr size_t kBytes = 65'536;
  for (int round = 0; round < 3; ++round) {
    std::vector<std::shared_ptr<std::byte[]>> blocks;
    for (int i = 0; i < 200; ++i) {
      blocks.push_back(zeroed_block(kBytes));
      ASSERT_TRUE(all_zero(blocks.back().get(), kBytes));
      std::memset(blocks.back().get(), 0xff, kBytes);
      if (i % 3 == 0) blocks.erase(blocks.begin() + i % 7 % static_cast<int>(blocks.size()));
    }
  }
}

TEST(BlockMemory, ThreadsMayAskAndLetGo) {
  const auto work = [] {
    for (int i = 0; i < 200; ++i) {
      const auto first = zeroed_block(50'000), second = zeroed_block(50'048);
      ASSERT_TRUE(all_zero(first.get(), 50'000));
      std::memset(first.get(), 1, 50'000);
      std::memset(second.get(), 2, 50'048);
      ASSERT_EQ(first[49'999], std::byte{1});
    }
  };
  std::thread other(work);
  work();
  other.join();
}

}  // namespace
}  // namespace azimuth::kernels
