// Windows of a tower some of whose layers attend within them (Qwen2.5-VL; transformers: get_vision_window_index).
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/kernels.h"
#include "positions/tower/patch_positions.h"
#include "spec/vision_spec.h"
#include "tensor/tensor.h"

namespace azimuth::vision {

// One frame's cells, window after window. A cell is the `cell_patches` neighbouring patches that become one token.
struct WindowPlan {
  bool empty() const { return cells.empty(); }

  std::vector<int64_t> cells;             // [cells of a frame]: which cell of the tower's patch order comes i-th
  std::vector<kernels::KeyRange> ranges;  // [patches of a frame] in window order: the window of each, in patches
  int64_t cell_patches = 1;
};

// Windows of spec.window x spec.window cells from the top left corner; those at the right and at the bottom are what is
// left. No windows where no layer attends within them.
WindowPlan plan_windows(const VisionSpec& spec, const Grid& grid);

// Into window order: the places of one frame's patches, and a row for each patch of all frames [frames * patches,
// width].
std::vector<positions::PatchPosition> to_window_order(const WindowPlan& plan,
                                                      const std::vector<positions::PatchPosition>& frame);
Tensor to_window_order(const WindowPlan& plan, const Tensor& patches);
// Back again: a row for each cell of all frames [frames * cells, width].
Tensor from_window_order(const WindowPlan& plan, const Tensor& cells);

}  // namespace azimuth::vision
