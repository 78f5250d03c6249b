// Windows of a tower against transformers' get_vision_window_index, worked out by hand.
#include "vision/windows.h"

#include <gtest/gtest.h>

namespace azimuth::vision {
namespace {

VisionSpec spec_of(int merge, int window) {
  VisionSpec spec;
  spec.projector.merge = merge;
  spec.window = window;
  spec.windowed_layers = {0};
  return spec;
}

std::vector<int64_t> ends(const WindowPlan& plan) {
  std::vector<int64_t> found;
  for (const kernels::KeyRange& range : plan.ranges) {
    if (found.empty() || found.back() != range.end) found.push_back(range.end);
  }
  return found;
}

TEST(Windows, WhatIsLeftOfTheGridMakesSmallerWindows) {
  const WindowPlan plan = plan_windows(spec_of(1, 2), {1, 3, 5});
  EXPECT_EQ(plan.cells, (std::vector<int64_t>{0, 1, 5, 6, 2, 3, 7, 8, 4, 9, 10, 11, 12, 13, 14}));
  EXPECT_EQ(ends(plan), (std::vector<int64_t>{4, 8, 10, 12, 14, 15}));
}

// The reference pads such grids by a whole window and drops the empty ones again.
TEST(Windows, AGridThatDividesHasNoEmptyWindow) {
  EXPECT_EQ(ends(plan_windows(spec_of(1, 2), {1, 2, 4})), (std::vector<int64_t>{4, 8}));
}

TEST(Windows, RangesCountPatchesAndCellsStayTogether) {
  const WindowPlan plan = plan_windows(spec_of(2, 1), {2, 4, 2});
  EXPECT_EQ(plan.cells, (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(ends(plan), (std::vector<int64_t>{4, 8}));
  EXPECT_EQ(plan.ranges[5].begin, 4);
}

TEST(Windows, NoWindowedLayerNoWindows) {
  VisionSpec spec = spec_of(1, 2);
  spec.windowed_layers.clear();
  EXPECT_TRUE(plan_windows(spec, {1, 3, 5}).empty());
}

TEST(Windows, OrderGoesThereAndBackInEveryFrame) {
  const WindowPlan plan = plan_windows(spec_of(1, 2), {2, 3, 3});
  Tensor rows({18, 1});
  for (int64_t i = 0; i < 18; ++i) rows.row(i)[0] = static_cast<float>(i);
  const Tensor windowed = to_window_order(plan, rows);
  EXPECT_EQ(windowed.row(2)[0], 3.0f);
  EXPECT_EQ(windowed.row(9 + 2)[0], 12.0f);
  const Tensor back = from_window_order(plan, windowed);
  for (int64_t i = 0; i < 18; ++i) EXPECT_EQ(back.row(i)[0], static_cast<float>(i));
}

}  // namespace
}  // namespace azimuth::vision
