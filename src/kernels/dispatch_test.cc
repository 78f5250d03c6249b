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
  for (const CpuLevel level : {CpuLevel::generic, CpuLevel::avx2, CpuLevel::avx512, CpuLevel::avx512_bf16}) {
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

}  // namespace
}  // namespace azimuth::kernels
