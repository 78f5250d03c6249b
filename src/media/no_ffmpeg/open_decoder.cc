// Stands in for src/media/ffmpeg in builds without FFmpeg's libraries.
#include "media/video_decoder.h"

namespace azimuth::media {

bool can_read_video_files() {
  return false;
}

Result<std::unique_ptr<VideoDecoder>> open_decoder(VideoBytes, const VideoFileOptions&) {
  return unsupported(
      "a list of frames was expected, found a video file, which this build cannot decode; extract frames first, or "
      "build "
      "with FFmpeg's libraries (libavformat-dev libavcodec-dev libavutil-dev libswscale-dev)");
}

}  // namespace azimuth::media
