#include "engine/video_frames.h"

#include <algorithm>
#include <filesystem>

#include "base/cancel.h"
#include "media/resize.h"
#include "media/video_file.h"
#include "preprocess/frame_sampling.h"
#include "preprocess/preprocess.h"

namespace azimuth::engine {
namespace {

using preprocess::PixelSize;
using prompt::MediaReference;

Result<media::VideoFrames> load_pictures(const MediaReference& reference, const std::string& directory,
                                         const media::DecodeOptions& options) {
  media::VideoFrames video;
  media::DecodeOptions opaque = options;
  opaque.alpha = media::AlphaMode::drop;  // frames of a video have no alpha; transformers converts them to RGB
  for (const std::string& source : reference.sources) {
    AZ_ASSIGN_OR_RETURN(media::Image frame, media::load_image(resolve_source(source, directory), opaque));
    video.frames.push_back(std::move(frame));
  }
  video.metadata = reference.metadata;
  video.sampled = reference.sampled;
  const auto count = static_cast<int64_t>(video.frames.size());
  if (video.metadata.total_num_frames == 0) video.metadata.total_num_frames = count;
  if (video.metadata.frames_indices.empty()) {
    for (int64_t i = 0; i < count; ++i) video.metadata.frames_indices.push_back(i);
  }
  return video;
}

// What a message asks for goes over what the processor does.
VideoProcessorSpec asked_of(const MediaReference& reference, VideoProcessorSpec spec) {
  if (!reference.metadata.fps) return spec;
  spec.fps = reference.metadata.fps;
  spec.do_sample_frames = true;
  if (spec.sampling != FrameSampling::without_ends) spec.num_frames.reset();  // there it is a bound
  return spec;
}

int64_t distinct(std::vector<int64_t> ascending) {
  return std::unique(ascending.begin(), ascending.end()) - ascending.begin();
}

// Decodes the frames at `indices`, resized as for `count` of them.
Result<std::vector<media::Image>> decode_resized(media::VideoFile& file, const std::vector<int64_t>& indices,
                                                 int64_t count, const VideoProcessorSpec& spec, ThreadPool& pool) {
  PixelSize source;
  const auto step = [&](media::Image frame) -> Result<media::Image> {
    if (CancelScope::requested()) return cancelled("stopped on request");
    const PixelSize size{frame.width, frame.height};
    if (source.width == 0) source = size;
    if (size != source) {
      return invalid_argument("video frames of one size were expected, found " + std::to_string(source.width) + " x " +
                              std::to_string(source.height) + " and " + std::to_string(size.width) + " x " +
                              std::to_string(size.height) + "; convert the video");
    }
    AZ_ASSIGN_OR_RETURN(const PixelSize target, preprocess::frame_size(count, size, spec));
    if (target == size) return frame;
    return media::resize(frame, target.width, target.height, spec.frame.resample, spec.frame.arithmetic, pool);
  };
  return file.frames(indices, step);
}

Result<media::VideoFrames> load_file(const MediaReference& reference, const std::string& directory,
                                     const media::DecodeOptions& options, const VideoProcessorSpec& spec,
                                     ThreadPool& pool) {
  const std::string source = resolve_source(reference.sources[0], directory);
  AZ_ASSIGN_OR_RETURN(media::VideoFile file, media::VideoFile::open(source, {.max_pixels = options.max_pixels}));
  media::VideoFrames video;
  video.metadata = file.metadata();
  std::vector<int64_t>& indices = video.metadata.frames_indices;
  AZ_ASSIGN_OR_RETURN(indices, preprocess::choose_frames(file.metadata(), asked_of(reference, spec), true));
  video.sampled = true;
  video.resized = spec.frame.scheme == PreprocessScheme::smart_resize;
  if (!video.resized) {
    AZ_ASSIGN_OR_RETURN(video.frames, file.frames(indices));
    return video;
  }
  const int64_t expected = distinct(indices);
  AZ_ASSIGN_OR_RETURN(video.frames, decode_resized(file, indices, expected, spec, pool));
  const auto found = static_cast<int64_t>(video.frames.size());
  if (found == expected) return video;
  // The container counted frames that are not there; the number of those that are decides their size.
  AZ_ASSIGN_OR_RETURN(video.frames, decode_resized(file, indices, found, spec, pool));
  return video;
}

}  // namespace

std::string resolve_source(const std::string& source, const std::string& directory) {
  if (source.starts_with("data:") || directory.empty() || std::filesystem::path(source).is_absolute()) return source;
  return (std::filesystem::path(directory) / source).string();
}

Result<media::VideoFrames> load_video_frames(const MediaReference& reference, const std::string& directory,
                                             const media::DecodeOptions& options, const VideoProcessorSpec& spec,
                                             ThreadPool& pool) {
  return reference.kind == prompt::MediaKind::video_file ? load_file(reference, directory, options, spec, pool)
                                                         : load_pictures(reference, directory, options);
}

}  // namespace azimuth::engine
