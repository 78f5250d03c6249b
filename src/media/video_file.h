// Videos from files and data: URLs, decoded by FFmpeg's libraries to the frames that transformers 5.23.0 sees with PyAV
// (transformers/video_utils.py, read_video_pyav).
//
// Containers are told from their bytes: MP4 and MOV, Matroska and WebM, AVI, GIF, MPEG-TS and -PS, Ogg, FLV. Nothing
// but the given bytes is ever read: playlists and references to other files or addresses lead nowhere. A rotation that
// the container asks for is not applied, as PyAV does not either.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "azimuth/status.h"
#include "media/image.h"
#include "media/video_frames.h"

namespace azimuth::media {

struct VideoFileOptions {
  int64_t max_bytes = int64_t{8} << 30;         // of the file
  int64_t max_pixels = 178'956'970;             // of one frame
  int64_t max_frames = int64_t{1} << 20;        // that are decoded to reach the last one wanted
  int64_t max_kept_pixels = int64_t{1} << 31;   // of all frames that are kept, as they are kept
  int64_t max_coded_pixels = int64_t{1} << 42;  // of all frames that are decoded
};

// Whether this build has FFmpeg's libraries. Without them, opening a video is an error that says so.
bool can_read_video_files();

class VideoBytes;
class VideoDecoder;

// Makes what is kept of a decoded frame.
using FrameStep = std::function<Result<Image>(Image)>;

// An opened video. Movable; not for several threads at once. Errors of all calls begin with the path (for a data: URL,
// with its first bytes).
class VideoFile {
 public:
  // Opens the first video stream of a file, or of a base64 "data:" URL. Errors: not_found; unsupported for what is no
  // video, a codec that is not read, a web address, or a build without FFmpeg; data_loss for a damaged file;
  // resource_exhausted beyond a limit.
  static Result<VideoFile> open(const std::string& source, const VideoFileOptions& options = {});
  // The same for bytes in memory, which messages call `name`.
  static Result<VideoFile> from_memory(std::vector<uint8_t> bytes, const std::string& name,
                                       const VideoFileOptions& options = {});
  VideoFile(VideoFile&&) noexcept;
  VideoFile& operator=(VideoFile&&) noexcept;
  ~VideoFile();

  // What the container says of the clip; frames_indices is empty. Where it does not say how many frames there are, they
  // are counted by decoding all of them: PyAV gives 0, which nothing can be sampled from.
  const VideoMetadata& metadata() const { return metadata_; }

  // The frames at `indices`, which ascend; a repeated index gives one frame, as with PyAV. Frames that the container
  // counts but does not show (edit lists) are missing at the end. Errors: invalid_argument for indices that do not
  // ascend or lie outside of the clip; data_loss where the file is damaged or none of the frames is there;
  // resource_exhausted beyond a limit; those of `step`, through which each frame goes before the next one is decoded.
  Result<std::vector<Image>> frames(std::span<const int64_t> indices, const FrameStep& step = nullptr);

 private:
  static Result<VideoFile> open_named(Result<VideoBytes> bytes, const std::string& name,
                                      const VideoFileOptions& options);
  VideoFile(std::string name, std::unique_ptr<VideoDecoder> decoder, VideoMetadata metadata);

  std::string name_;  // for messages
  std::unique_ptr<VideoDecoder> decoder_;
  VideoMetadata metadata_;
};

}  // namespace azimuth::media
