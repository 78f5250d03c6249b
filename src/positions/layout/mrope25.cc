// M-RoPE with time ids in seconds (positions.md 3.4): the layout is in mrope.cc.
#include "positions/layout/layouts.h"

namespace azimuth::positions {

Policy mrope25_policy() {
  return {.name = "mrope25",
          .summary = "as mrope, with the time ids of videos in units of 1/tokens_per_second",
          .source = "Qwen2.5-VL (arXiv 2502.13923)",
          .aliases = {{"mrope25_tps([0-9.]+)_spg([0-9.]+)", "tokens_per_second=$1,second_per_grid=$2"},
                      {"mrope25_tf5_tps([0-9.]+)_spg([0-9.]+)", "tokens_per_second=$1,second_per_grid=$2,compat=tf5"},
                      {"mrope25_tf5", "compat=tf5"}},
          .parameters = {{.name = "tokens_per_second", .fallback = "2", .help = "ids per second of video", .min = 0},
                         {.name = "second_per_grid",
                          .fallback = "1",
                          .help = "seconds between grid frames, where the video does not say",
                          .min = 0},
                         {.name = "delta", .help = "ids per grid frame, in place of the product of the two", .min = 0},
                         compat_parameter()},
          .axes = 3,
          .layout = layout_mrope25,
          .allocation = AllocationKind::chunked};
}

}  // namespace azimuth::positions
