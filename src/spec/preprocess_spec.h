// How the pixels of an image or of a video's frames become patches: plain numbers, read from a checkpoint's processor
// files by models/processor_config and carried out by preprocess/.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace azimuth {

// How an image of any size becomes patches. One file of preprocess/ per scheme.
enum class PreprocessScheme : uint8_t {
  smart_resize,  // sides rounded to multiples of patch * merge, area kept within [min_pixels, max_pixels]
};

enum class ResampleFilter : uint8_t { bilinear, bicubic, lanczos };

// Whose rounding the pixels go through. The two differ by up to 25 grey levels after a bicubic resize.
enum class PixelArithmetic : uint8_t {
  torchvision,  // int16 weights; rescaling and normalisation fused: (x - mean/factor) / (std/factor) in f32
  pillow,       // 22-bit weights; x * factor in f64, rounded to f32, then (x - mean) / std in f32
};

struct ImageProcessorSpec {
  PreprocessScheme scheme = PreprocessScheme::smart_resize;
  PixelArithmetic arithmetic = PixelArithmetic::torchvision;
  bool do_resize = true;
  ResampleFilter resample = ResampleFilter::bicubic;
  bool do_rescale = true;
  double rescale_factor = 1.0 / 255.0;
  bool do_normalize = true;
  std::array<double, 3> mean = {0.0, 0.0, 0.0};  // red, green, blue; after rescaling
  std::array<double, 3> std = {1.0, 1.0, 1.0};
  int64_t patch_size = 14;          // pixels per side of a patch
  int64_t merge_size = 2;           // patches per side of a token
  int64_t temporal_patch_size = 2;  // frames per patch; a still image is repeated
  int64_t min_pixels = 56 * 56;     // bounds of the resized area
  int64_t max_pixels = 28 * 28 * 1280;
};

// What min_pixels and max_pixels of a video bound.
enum class VideoBudget : uint8_t {
  per_frame,    // the area of each frame
  whole_video,  // the area of all frames together
};

// Which frames of a video are kept when frames are sampled.
enum class FrameSampling : uint8_t {
  none,          // frames are never dropped; asking for it is an error
  even_rounded,  // n instants from the first to the last frame at equal steps, each rounded half to even
};

struct VideoProcessorSpec {
  ImageProcessorSpec frame;  // min_pixels and max_pixels are counted as `budget` says
  VideoBudget budget = VideoBudget::whole_video;
  FrameSampling sampling = FrameSampling::even_rounded;
  bool do_sample_frames = true;
  std::optional<double> fps = 2.0;    // frames to keep per second ...
  std::optional<int64_t> num_frames;  // ... or frames to keep; at most one of the two
  int64_t min_frames = 4;             // bounds of what `fps` asks for
  int64_t max_frames = 768;
  bool cap_pixels_per_frame = false;  // bounds each frame by max_video_tokens as well
  int64_t max_video_tokens = 768;     // tokens per frame under cap_pixels_per_frame
};

}  // namespace azimuth
