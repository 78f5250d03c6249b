"""Traps of Qwen2.5-VL."""

from fault import Fault

FAULTS = [
    Fault("qwen2-5-vl-all-full", "src/vision/tower.cc",
          "frame.windows = windowed ? &windows.ranges : nullptr;", "frame.windows = windowed && false ? &windows.ranges : nullptr;",
          "every layer of the tower sees the whole frame"),
    Fault("qwen2-5-vl-full-layers", "src/models/qwen2_5_vl.cc",
          "if (std::ranges::find(full, layer) == full.end()) vision", "if (std::ranges::find(full, layer) != full.end()) vision",
          "the listed layers attend within windows, and the others do not"),
    Fault("qwen2-5-vl-features-windowed", "src/vision/tower.cc",
          "return windows.empty() ? std::move(rows) : from_window_order(windows, rows);", "return rows;",
          "features stay in the order of the windows"),
    Fault("qwen2-5-vl-windows-by-columns", "src/vision/windows.cc",
          """  for (int64_t top = 0; top < rows; top += side) {
    for (int64_t left = 0; left < columns; left += side) {""",
          """  for (int64_t left = 0; left < columns; left += side) {
    for (int64_t top = 0; top < rows; top += side) {""",
          "windows follow each other by columns", "vision", traced=False),
    Fault("qwen2-5-vl-window-pixels", "src/models/qwen2_5_vl.cc",
          "static_cast<int>(pixels) / vision.projector.merge / vision.patch", "static_cast<int>(pixels) / vision.patch",
          "a window is counted in patches instead of merged cells"),
    Fault("qwen2-5-vl-places", "src/vision/tower.cc",
          "if (!windows.empty()) places = to_window_order(windows, places);", "",
          "patches turn by the place that they had before they were ordered by windows"),
    Fault("qwen2-5-vl-layer-norm", "src/models/qwen2_5_vl.cc", "vision.gated_mlp = true;", "vision.gated_mlp = false;",
          "the tower's MLP has no gate"),
    Fault("qwen2-5-vl-tokens-per-second", "src/models/qwen2_5_vl.cc",
          '"tokens_per_second", 4, 0, 1 << 20', '"tokens_per_seconds", 4, 0, 1 << 20',
          "time ids of videos count the default of tokens a second"),
    Fault("qwen2-5-vl-seconds", "src/prompt/video_timing.cc",
          "timing.step_seconds = static_cast<double>(temporal_patch_size) / sampled_fps(metadata, fps);",
          "timing.step_seconds = static_cast<double>(temporal_patch_size) / fps;",
          "seconds between grid frames are those of the clip, not of the frames that were kept"),
    Fault("qwen2-5-vl-tf4-seconds", "src/engine/prepare.cc",
          "if (reading.compat == Compat::tf4) time_by_requested_rate(reading.processors.video, sample.prompt);", "",
          "compat=tf4 reads the video's metadata", "compat", traced=False),
]
