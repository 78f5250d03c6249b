// Video bytes as the stream that FFmpeg's demuxers read: the only input that they ever get.
#pragma once

#include "azimuth/status.h"
#include "media/ffmpeg/handles.h"
#include "media/video_bytes.h"

namespace azimuth::media {

class ByteStream {
 public:
  explicit ByteStream(VideoBytes bytes) : bytes_(std::move(bytes)) {}
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;

  // Owned by this object, which must not move as long as it is used. Null where memory is short.
  AVIOContext* open();
  // The first read that failed, other than at the end.
  const Status& failure() const { return failure_; }

 private:
  static int read(void* self, uint8_t* out, int size);
  static int64_t seek(void* self, int64_t offset, int whence);

  VideoBytes bytes_;
  int64_t at_ = 0;
  Status failure_;
  StreamHandle stream_;
};

}  // namespace azimuth::media
