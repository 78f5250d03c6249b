// From decoded pictures to the arrays that vision towers read, as transformers 5.23.0's processors compute them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "azimuth/status.h"
#include "base/thread_pool.h"
#include "media/image.h"
#include "media/video_frames.h"
#include "preprocess/patchify.h"
#include "spec/media_features.h"
#include "spec/preprocess_spec.h"

namespace azimuth::preprocess {

// Resized area of all frames together, in pixels, beyond which preprocessing refuses to allocate.
inline constexpr int64_t kMaxResizedPixels = int64_t{1} << 27;

// One picture, or one video, as the tower reads it.
struct MediaPixels {
  std::vector<Patches> tiles;  // in the order of the processor's array; a video is one entry of several frames
  int64_t tile_rows = 1;       // of the tiles that divide the picture
  int64_t tile_columns = 1;
  int global_tile = -1;  // which tile shows the whole picture, where others divide it; -1: none
  PixelSize source;      // of the picture as it was decoded
  bool tf4 = false;      // whether the tower takes it as transformers 4.57 did; the engine fills it in
  // What the decoder will get of them (vision/arrangement); the engine fills it in.
  std::vector<FeatureBlock> blocks;
  // Features that came in place of pixels: tiles then have a grid and no pixels, and the tower has nothing to do.
  std::shared_ptr<const MediaFeatures> given;

  // Patches that the tower runs over.
  int64_t patches() const {
    if (given != nullptr) return 0;
    int64_t count = 0;
    for (const Patches& tile : tiles) count += tile.grid.cells();
    return count;
  }
};

// Resizes, divides, normalises and cuts one picture as the spec's scheme says. Errors: invalid_argument (side ratio
// over 200; sides that do not divide into patches without do_resize), resource_exhausted beyond kMaxResizedPixels.
Result<MediaPixels> preprocess_image(const media::Image& image, const ImageProcessorSpec& spec, ThreadPool& pool);

struct VideoPixels {
  MediaPixels media;                            // one entry
  media::VideoMetadata metadata;                // frames_indices are the frames that were kept
  std::optional<double> seconds_per_grid = {};  // between grid frames, where the caller said so instead of metadata
};

// How PreprocessScheme::any_resolution divides a picture of size `source`. Errors: listed sizes that are no whole
// tiles.
struct TileCounts {
  int64_t rows = 1;
  int64_t columns = 1;
};
Result<TileCounts> any_resolution_tiles(PixelSize source, const ImageProcessorSpec& spec);

// Chooses frames (unless video.sampled or the spec says not to; preprocess/frame_sampling.h), then as for pictures.
// Errors as above, and for an empty video or frames of different sizes.
Result<VideoPixels> preprocess_video(const media::VideoFrames& video, const VideoProcessorSpec& spec, ThreadPool& pool);

// The size that preprocess_video gives the frames of a video of which `frames` are kept, under the scheme smart_resize.
// Errors: as smart_resize.
Result<PixelSize> frame_size(int64_t frames, PixelSize source, const VideoProcessorSpec& spec);

// The size that the frames of a video had before anything was resized; it has at least one frame.
PixelSize source_size(const media::VideoFrames& video);

}  // namespace azimuth::preprocess
