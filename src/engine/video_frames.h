// The frames of a video that a request names: listed as pictures, or decoded from a file.
#pragma once

#include <string>

#include "azimuth/status.h"
#include "base/thread_pool.h"
#include "media/image.h"
#include "media/video_frames.h"
#include "prompt/messages.h"
#include "spec/preprocess_spec.h"

namespace azimuth::engine {

// Paths inside a request are relative to its directory; data: URLs and absolute paths stay.
std::string resolve_source(const std::string& source, const std::string& directory);

// Of a file only the frames that the processor samples are decoded, and kept at the size that it wants: whole, the
// frames of a few minutes would fill the memory. A message's fps says how many to take per second of a file, as in
// Qwen's tools, since the file knows its own; of a list of pictures it is the speed.
Result<media::VideoFrames> load_video_frames(const prompt::MediaReference& reference, const std::string& directory,
                                             const media::DecodeOptions& options, const VideoProcessorSpec& spec,
                                             ThreadPool& pool);

}  // namespace azimuth::engine
