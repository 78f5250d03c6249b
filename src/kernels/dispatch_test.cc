#include <cstring>

#include "kernels/dispatch.h"
#include "kernels/levels_test.h"

namespace azimuth::kernels {
namespace {

TEST(Dispatch, AlwaysHasGenericAndKnowsItsLevel) {
  const std::vector<CpuLevel> levels = available_levels();
  ASSERT_FALSE(levels.empty());
  EXPECT_EQ(levels.front(), CpuLevel::generic);
  EXPECT_NE(std::find(levels.begin(), levels.end(), active_level()), levels.end());
}

TEST(Dispatch, ForcesEveryAvailableLevelAndRefusesOthers) {
  const CpuLevel before = active_level();
  const std::vector<CpuLevel> levels = available_levels();
  for (const CpuLevel level : {CpuLevel::generic, CpuLevel::avx2, CpuLevel::avx512, CpuLevel::avx512_vnni,
                               CpuLevel::avx512_bf16, CpuLevel::amx}) {
    const bool available = std::find(levels.begin(), levels.end(), level) != levels.end();
    EXPECT_EQ(force_level(level).ok(), available);
    if (available) {
      EXPECT_EQ(active_level(), level);
    }
  }
  ASSERT_TRUE(force_level(before).ok());
}

TEST(Dispatch, DescribesEveryKernelWithTheLevelInUse) {
  const CpuLevel before = active_level();
  for (const CpuLevel level : available_levels()) {
    ASSERT_TRUE(force_level(level).ok());
    const std::vector<std::string> lines = describe_kernels();
    EXPECT_GE(lines.size(), 8u);
    EXPECT_NE(lines.front().find(to_string(level)), std::string::npos);
    for (const std::string& line : lines) EXPECT_NE(line.find(": "), std::string::npos) << line;
  }
  ASSERT_TRUE(force_level(before).ok());
}

// Everything that any family runs goes through the table of the level, so a level whose table holds no function of the
// generic one runs no generic kernel for any family. A table is plain pointers and numbers: a generic function would be
// a pointer that both tables hold, at whatever place.
TEST(Dispatch, NoWideLevelFallsBackToAGenericKernel) {
  const CpuLevel before = active_level();
  ASSERT_TRUE(force_level(CpuLevel::generic).ok());
  constexpr size_t kWords = sizeof(KernelTable) / sizeof(uintptr_t);
  uintptr_t generic[kWords];
  std::memcpy(generic, &active_table(), sizeof generic);
  for (const CpuLevel level : available_levels()) {
    if (level == CpuLevel::generic) continue;
    ASSERT_TRUE(force_level(level).ok());
    uintptr_t wide[kWords];
    std::memcpy(wide, &active_table(), sizeof wide);
    constexpr uintptr_t kSmallestAddress = 1 << 16;  // sizes and zeros are below
    for (const uintptr_t word : wide) {
      if (word < kSmallestAddress) continue;
      EXPECT_EQ(std::find(generic, generic + kWords, word), generic + kWords)
          << to_string(level) << " holds a function of the generic level";
    }
  }
  ASSERT_TRUE(force_level(before).ok());
}

}  // namespace
}  // namespace azimuth::kernels
