// From decoded pictures to the arrays that vision towers read, as transformers 5.23.0's processors compute them.
#pragma once

#include <cstdint>
#include <vector>

#include "azimuth/status.h"
#include "base/thread_pool.h"
#include "media/image.h"
#include "media/video_frames.h"
#include "preprocess/patchify.h"
#include "spec/preprocess_spec.h"

namespace azimuth::preprocess {

// Resized area of all frames together, in pixels, beyond which preprocessing refuses to allocate.
inline constexpr int64_t kMaxResizedPixels = int64_t{1} << 27;

// Resizes, normalises and cuts one picture. Errors: invalid_argument (side ratio over 200; sides that do not divide
// into patches without do_resize), resource_exhausted beyond kMaxResizedPixels.
Result<Patches> preprocess_image(const media::Image& image, const ImageProcessorSpec& spec, ThreadPool& pool);

struct VideoPatches {
  Patches patches;
  media::VideoMetadata metadata;  // frames_indices are the frames that were kept
};

// Chooses frames (unless video.sampled or the spec says not to), then as for pictures. A clip of unknown speed counts
// as 24 frames per second. Errors as above, and for an empty video or frames of different sizes.
Result<VideoPatches> preprocess_video(const media::VideoFrames& video, const VideoProcessorSpec& spec,
                                      ThreadPool& pool);

// Indices of the frames of a clip that `spec` keeps. metadata.fps is used only where spec.fps applies.
Result<std::vector<int64_t>> sample_frames(const media::VideoMetadata& metadata, const VideoProcessorSpec& spec);

}  // namespace azimuth::preprocess
