// Media that a request brings along in memory (include/azimuth/media.h), as the stages behind take them: the way back
// from the arrays of processors (engine/pixel_array) to pictures that carry their own pixels.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "azimuth/media.h"
#include "azimuth/status.h"
#include "media/image.h"
#include "media/video_frames.h"
#include "preprocess/preprocess.h"
#include "spec/preprocess_spec.h"
#include "spec/vision_spec.h"

namespace azimuth::engine {

// The N of "memory:N", or nothing for any other source. invalid_argument where N is no index below `count`.
Result<std::optional<size_t>> memory_index(std::string_view source, size_t count);

SpanKind kind_of(const MediaInput& media);

// `where` begins every error ("media 2").
Result<media::Image> image_of(const PictureInput& picture, int64_t max_pixels, const std::string& where);
// As a message names a video: `fps` in `info` is the clip's.
Result<media::VideoFrames> frames_of(const FramesInput& frames, int64_t max_pixels, const std::string& where);

// What a family's arrays look like, and whether the prompt is there already: several pictures of a sample may then come
// as one list of tiles.
struct HeldFormat {
  const VisionSpec& vision;
  const ImageProcessorSpec& processor;  // of pictures, or of frames
  bool complete_prompt = false;
  bool tells_division = false;  // the prompt that is to be written names rows and columns of tiles
};

// One picture or video out of its part of a processor's arrays. Errors: shapes, counts and geometry that do not fit
// (both numbers), NaN and infinities.
Result<preprocess::MediaPixels> pixels_of(const PixelInput& input, const HeldFormat& format, const std::string& where);

// The same with MediaPixels::given: features, and tiles that have a grid only. The number of rows is checked against
// the blocks once these are known (check_given).
Result<preprocess::MediaPixels> features_of(const FeatureInput& input, const HeldFormat& format,
                                            const std::string& where);
// Once blocks are there: as many rows as they have features.
Status check_given(const preprocess::MediaPixels& media, const std::string& where);

// What prompts and positions learn of the time of `groups` grid frames.
media::VideoMetadata metadata_of(const VideoInfo& info, int64_t frames);

// invalid_argument naming the first value that is NaN or infinite.
Status check_finite(std::span<const float> values, const std::string& what);

}  // namespace azimuth::engine
