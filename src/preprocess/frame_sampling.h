// Which frames of a clip a video processor keeps. Sources: sample_frames of each class of transformers 5.23.0, which
// FrameSampling names.
#pragma once

#include <cstdint>
#include <vector>

#include "azimuth/status.h"
#include "media/video_frames.h"
#include "spec/preprocess_spec.h"

namespace azimuth::preprocess {

// Ascending indices of the frames that `spec` samples, by its num_frames or fps. Qwen3-VL counts a clip of unknown
// speed as 24 frames per second; the others need to be told. Errors: invalid_argument where the clip has no frames, its
// speed is needed but unknown, or neither num_frames nor fps is given where one is needed; out_of_range where more
// frames are asked for than there are (Qwen3-VL repeats them), or none.
Result<std::vector<int64_t>> sample_frames(const media::VideoMetadata& metadata, const VideoProcessorSpec& spec);

// The same, or every frame where the spec samples none. `file`: the clip is a video file (VideoProcessorSpec::
// samples_files).
Result<std::vector<int64_t>> choose_frames(const media::VideoMetadata& metadata, const VideoProcessorSpec& spec,
                                           bool file);

}  // namespace azimuth::preprocess
