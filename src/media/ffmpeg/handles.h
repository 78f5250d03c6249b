// FFmpeg's objects as owners.
#pragma once

#include <memory>

#include "media/ffmpeg/functions.h"

namespace azimuth::media {

struct FreeFrame {
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
};
struct FreePacket {
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
};
struct FreeCodec {
  void operator()(AVCodecContext* codec) const { avcodec_free_context(&codec); }
};
struct FreeFormat {
  void operator()(AVFormatContext* format) const { avformat_close_input(&format); }
};
struct FreeStream {
  void operator()(AVIOContext* stream) const {
    av_freep(&stream->buffer);
    avio_context_free(&stream);
  }
};
struct FreeScaler {
  void operator()(SwsContext* scaler) const { sws_freeContext(scaler); }
};

using FrameHandle = std::unique_ptr<AVFrame, FreeFrame>;
using PacketHandle = std::unique_ptr<AVPacket, FreePacket>;
using CodecHandle = std::unique_ptr<AVCodecContext, FreeCodec>;
using FormatHandle = std::unique_ptr<AVFormatContext, FreeFormat>;
using StreamHandle = std::unique_ptr<AVIOContext, FreeStream>;
using ScalerHandle = std::unique_ptr<SwsContext, FreeScaler>;

}  // namespace azimuth::media
