#include "media/video_file.h"

#include <algorithm>
#include <utility>

#include "azimuth/log.h"
#include "media/media_source.h"
#include "media/video_decoder.h"

namespace azimuth::media {
namespace {

// As read_video_pyav computes it: fps is a fraction there, and total / fps is rounded once.
VideoMetadata metadata_of(const ClipFacts& facts, int64_t frames) {
  VideoMetadata metadata;
  metadata.total_num_frames = frames;
  metadata.width = facts.width;
  metadata.height = facts.height;
  if (facts.rate_numerator <= 0) return metadata;
  metadata.fps = static_cast<double>(facts.rate_numerator) / static_cast<double>(facts.rate_denominator);
  metadata.duration = static_cast<double>(frames * facts.rate_denominator) / static_cast<double>(facts.rate_numerator);
  return metadata;
}

Status check_indices(std::span<const int64_t> indices, int64_t total) {
  for (size_t i = 0; i < indices.size(); ++i) {
    if (indices[i] < 0 || indices[i] >= total) {
      return invalid_argument("frames 0 to " + std::to_string(total - 1) + " of the video were expected, found frame " +
                              std::to_string(indices[i]));
    }
    if (i > 0 && indices[i] < indices[i - 1]) {
      return invalid_argument("frames of a video in ascending order were expected, found " +
                              std::to_string(indices[i]) + " behind " + std::to_string(indices[i - 1]));
    }
  }
  return ok_status();
}

std::vector<int64_t> without_repeats(std::span<const int64_t> indices) {
  std::vector<int64_t> once(indices.begin(), indices.end());
  once.erase(std::unique(once.begin(), once.end()), once.end());
  return once;
}

struct OpenedClip {
  std::unique_ptr<VideoDecoder> decoder;
  int64_t frames = 0;
};

Result<OpenedClip> open_clip(VideoBytes bytes, const VideoFileOptions& options) {
  OpenedClip clip;
  AZ_ASSIGN_OR_RETURN(clip.decoder, open_decoder(std::move(bytes), options));
  clip.frames = clip.decoder->facts().total_num_frames;
  if (clip.frames <= 0) {
    AZ_ASSIGN_OR_RETURN(clip.frames, clip.decoder->count_frames());
  }
  return clip;
}

}  // namespace

VideoFile::VideoFile(std::string name, std::unique_ptr<VideoDecoder> decoder, VideoMetadata metadata)
    : name_(std::move(name)), decoder_(std::move(decoder)), metadata_(std::move(metadata)) {}
VideoFile::VideoFile(VideoFile&&) noexcept = default;
VideoFile& VideoFile::operator=(VideoFile&&) noexcept = default;
VideoFile::~VideoFile() = default;

Result<VideoFile> VideoFile::open_named(Result<VideoBytes> bytes, const std::string& name,
                                        const VideoFileOptions& options) {
  if (!bytes.ok()) return bytes.status().with_context(name);
  Result<OpenedClip> clip = open_clip(std::move(bytes).value(), options);
  if (!clip.ok()) return clip.status().with_context(name);
  VideoMetadata metadata = metadata_of(clip->decoder->facts(), clip->frames);
  return VideoFile(name, std::move(clip->decoder), std::move(metadata));
}

Result<VideoFile> VideoFile::open(const std::string& source, const VideoFileOptions& options) {
  return open_named(VideoBytes::open(source, options.max_bytes), shown_source(source), options);
}

Result<VideoFile> VideoFile::from_memory(std::vector<uint8_t> bytes, const std::string& name,
                                         const VideoFileOptions& options) {
  return open_named(VideoBytes(std::move(bytes)), name, options);
}

Result<std::vector<Image>> VideoFile::frames(std::span<const int64_t> indices, const FrameStep& step) {
  if (Status status = check_indices(indices, metadata_.total_num_frames); !status.ok()) {
    return status.with_context(name_);
  }
  const std::vector<int64_t> wanted = without_repeats(indices);
  Result<std::vector<Image>> found = decoder_->frames(wanted, step);
  if (!found.ok()) return found.status().with_context(name_);
  if (found->empty() && !wanted.empty()) {
    return data_loss("a video with frame " + std::to_string(wanted.front()) +
                     " was expected, but no frame that was asked for could be decoded; convert the video again")
        .with_context(name_);
  }
  if (found->size() < wanted.size()) {
    log(LogLevel::warning, name_ + ": the container counts " + std::to_string(metadata_.total_num_frames) +
                               " frames but ends before frame " + std::to_string(wanted[found->size()]) + "; " +
                               std::to_string(found->size()) + " of " + std::to_string(wanted.size()) +
                               " frames are used");
  }
  return found;
}

}  // namespace azimuth::media
