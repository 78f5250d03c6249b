// Keys that processor files and calls share. An absent key changes nothing; nor does null, except for flags.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "azimuth/status.h"
#include "base/json.h"
#include "spec/preprocess_spec.h"

namespace azimuth::models {

// Normalisation of the CLIP and SigLIP lines.
inline constexpr std::array<double, 3> kClipMean = {0.48145466, 0.4578275, 0.40821073};
inline constexpr std::array<double, 3> kClipStd = {0.26862954, 0.26130258, 0.27577711};
inline constexpr std::array<double, 3> kHalf = {0.5, 0.5, 0.5};

// Bounds of the numbers that files and calls may hold.
inline constexpr int64_t kMaxPatch = 1024;
inline constexpr int64_t kMaxMerge = 64;
inline constexpr int64_t kMaxTemporal = 64;
inline constexpr int64_t kMaxPixelCount = int64_t{1} << 40;
inline constexpr int64_t kMaxSide = int64_t{1} << 16;
inline constexpr int64_t kMaxFrames = int64_t{1} << 20;
inline constexpr int64_t kMaxTokens = int64_t{1} << 30;

bool is_null(const JsonView& json, std::string_view key);
// null is Python's None, which counts as false.
Status read_flag(const JsonView& json, std::string_view key, bool& flag);
Status read_count(const JsonView& json, std::string_view key, int64_t max, int64_t& count);

// do_resize, do_rescale, do_normalize, rescale_factor, image_mean, image_std, resample: what every class knows.
Status read_shared_image_keys(const JsonView& json, ImageProcessorSpec& spec);
bool is_shared_image_key(std::string_view key);

// patch_size, merge_size, temporal_patch_size, and `size` as area bounds (shortest_edge, longest_edge), which
// min_pixels and max_pixels override where the class knows them (Qwen).
Status read_area_keys(const JsonView& json, bool knows_min_max, ImageProcessorSpec& spec);

// do_sample_frames, fps, num_frames: what every video class knows.
Status read_shared_video_keys(const JsonView& json, VideoProcessorSpec& spec);
bool is_shared_video_key(std::string_view key);

}  // namespace azimuth::models
