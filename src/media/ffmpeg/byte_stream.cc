#include "media/ffmpeg/byte_stream.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace azimuth::media {
namespace {

constexpr int kBufferBytes = 1 << 16;

}  // namespace

AVIOContext* ByteStream::open() {
  auto* buffer = static_cast<unsigned char*>(av_malloc(kBufferBytes));
  if (!buffer) return nullptr;
  stream_.reset(avio_alloc_context(buffer, kBufferBytes, 0, this, &ByteStream::read, nullptr, &ByteStream::seek));
  if (!stream_) av_free(buffer);
  return stream_.get();
}

int ByteStream::read(void* self, uint8_t* out, int size) {
  auto& stream = *static_cast<ByteStream*>(self);
  const int64_t left = static_cast<int64_t>(stream.bytes_.size()) - stream.at_;
  if (left <= 0) return AVERROR_EOF;
  const auto count = static_cast<size_t>(std::min<int64_t>(left, size));
  const Status status = stream.bytes_.copy(static_cast<size_t>(stream.at_), {reinterpret_cast<std::byte*>(out), count});
  if (!status.ok()) {
    if (stream.failure_.ok()) stream.failure_ = status;
    return AVERROR(EIO);
  }
  stream.at_ += static_cast<int64_t>(count);
  return static_cast<int>(count);
}

int64_t ByteStream::seek(void* self, int64_t offset, int whence) {
  auto& stream = *static_cast<ByteStream*>(self);
  const auto size = static_cast<int64_t>(stream.bytes_.size());
  whence &= ~AVSEEK_FORCE;
  if (whence == AVSEEK_SIZE) return size;
  int64_t from = 0;
  if (whence == SEEK_CUR) from = stream.at_;
  if (whence == SEEK_END) from = size;
  int64_t target = 0;
  if (__builtin_add_overflow(from, offset, &target) || target < 0) return AVERROR(EINVAL);
  stream.at_ = target;
  return target;
}

}  // namespace azimuth::media
