// How the pixels of an image or of a video's frames become patches: plain numbers, read from a checkpoint's processor
// files by models/processor_config and carried out by preprocess/.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace azimuth {

// How an image of any size becomes patches. One file of preprocess/ per scheme.
enum class PreprocessScheme : uint8_t {
  smart_resize,    // sides rounded to multiples of patch * merge, area kept within [min_pixels, max_pixels]
  fixed,           // one size for all: resized to it, or by the shorter edge and cut from the middle (CLIP, SigLIP)
  pan_and_scan,    // fixed, and crops of pictures that are far from square (Gemma 3)
  tiles,           // a grid of tiles whose shape is nearest to the picture's, and a thumbnail (InternVL, Ovis2)
  any_resolution,  // the whole picture, and tiles of the best of listed sizes (LLaVA-NeXT, LLaVA-OneVision)
  split,           // longest edge bounded, cut into tiles, the whole picture last (Idefics3, SmolVLM)
  quarters,        // edges bounded; on request four quarters, the whole picture last (Idefics2)
  token_budget,    // sides rounded to multiples of patch * merge within a number of tokens (Gemma 4)
  canvas,          // fitted into a canvas of tiles and padded (mllama)
};

// How a processor lays out the pixels of a request in one array, which is what a trace shows.
enum class PixelArray : uint8_t {
  patch_rows,        // [patches of all pictures, channel * time * y * x]
  tiles,             // [tiles of all pictures, channel, y, x]
  tiles_per_image,   // [pictures, most tiles, channel, y, x]; zeros behind
  tiles_per_sample,  // [samples, most tiles, channel, most rows, most columns]; zeros behind
  padded_patches,    // [pictures, most patches, y * x * channel]; zeros behind (Gemma 4)
  canvases,          // [samples, most pictures, most tiles, channel, y, x]; zeros behind (mllama)
};

// How the grid of tiles is chosen (PreprocessScheme::tiles).
enum class TileGrid : uint8_t {
  closest_ratio,  // the one whose ratio of sides is nearest to the picture's (InternVL)
  covering_area,  // the smallest that keeps nine tenths of the picture's pixels (Ovis2)
};

enum class ResampleFilter : uint8_t { bilinear, bicubic, lanczos };

// Whose rounding the pixels go through. The two differ by up to 25 grey levels after a bicubic resize.
enum class PixelArithmetic : uint8_t {
  torchvision,  // int16 weights; rescaling and normalisation fused: (x - mean/factor) / (std/factor) in f32
  pillow,       // 22-bit weights; x * factor in f64, rounded to f32, then (x - mean) / std in f32
};

struct ImageProcessorSpec {
  PreprocessScheme scheme = PreprocessScheme::smart_resize;
  PixelArray array = PixelArray::patch_rows;
  // The processor's files do not say how pixels become patches: patch_size, merge_size and temporal_patch_size are
  // those of the tower (engine/load), and patches are cut behind the processor's array.
  bool tower_patches = false;
  PixelArithmetic arithmetic = PixelArithmetic::torchvision;
  bool drops_alpha = false;  // transparent pictures keep their colours as stored, where others are blended with white
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

  // Sizes in pixels of the schemes that know them; 0: not given.
  int64_t height = 0;  // of a picture or tile
  int64_t width = 0;
  int64_t shortest_edge = 0;  // resized to it (fixed), or at least it (quarters)
  int64_t longest_edge = 0;   // resized to it (split), or at most it (quarters)
  int64_t crop_height = 0;    // cut from the middle
  int64_t crop_width = 0;
  bool do_center_crop = false;
  bool do_pad = false;
  // Tiles
  bool divides = false;  // whether pictures are divided at all (crop_to_patches, do_image_splitting, do_pan_and_scan)
  bool divides_only_alone = false;  // only a sample's one picture; several are padded to squares (LLaVA-OneVision)
  int64_t tile_size = 0;            // pixels per side of a tile (split)
  int64_t min_tiles = 1;
  int64_t max_tiles = 12;
  TileGrid tile_grid = TileGrid::closest_ratio;
  bool thumbnail = true;                               // the whole picture beside its tiles
  bool thumbnail_first = false;                        // in front of them instead of behind
  std::vector<std::array<int64_t, 2>> pinpoints = {};  // height, width of the sizes to choose from (any_resolution)
  // Crops of pan_and_scan
  int64_t min_crop_size = 256;
  int64_t max_crops = 4;
  double min_ratio_to_crop = 1.2;
  int64_t max_tokens = 280;  // of a picture (token_budget)
};

// What min_pixels and max_pixels of a video bound.
enum class VideoBudget : uint8_t {
  per_frame,    // the area of each frame
  whole_video,  // the area of all frames together
};

// Which frames of a video are kept when frames are sampled. Where fps says how many, it is fps times the seconds of the
// clip.
enum class FrameSampling : uint8_t {
  even_rounded,   // instants from the first to the last frame at equal steps, rounded half to even (Qwen3-VL)
  even_floor,     // frame floor(i * total / n) (BaseVideoProcessor: LLaVA-OneVision, Gemma 4, ...)
  whole_patches,  // n a multiple of the temporal patch, frame trunc(i * total / n) in f32 (Qwen2-VL)
  middles,        // frame trunc(shift + i * total / n) in f32; the shift is half a step unless given (InternVL)
  without_ends,   // at equal steps, without the first and the last second of long clips (SmolVLM)
};

struct VideoProcessorSpec {
  ImageProcessorSpec frame;  // min_pixels and max_pixels are counted as `budget` says
  VideoBudget budget = VideoBudget::whole_video;
  FrameSampling sampling = FrameSampling::even_rounded;
  bool do_sample_frames = true;
  bool samples_files = false;         // video files are sampled even where do_sample_frames does not say so (SmolVLM)
  std::optional<double> fps = 2.0;    // frames to keep per second ...
  std::optional<int64_t> num_frames;  // ... or frames to keep, which counts where both are given; SmolVLM needs both
  int64_t min_frames = 4;             // bounds of what `fps` asks for
  int64_t max_frames = 768;
  std::optional<double> initial_shift;  // of middles: frames before the first one kept; not given: half a step
  bool shares_image_array = false;      // frames stand among the pictures in the processor's array (InternVL)
  bool named_as_images = false;         // the array of frames is pixel_values, too (SmolVLM)
  bool cap_pixels_per_frame = false;    // bounds each frame by max_video_tokens as well
  int64_t max_video_tokens = 768;       // tokens per frame under cap_pixels_per_frame
};

}  // namespace azimuth
