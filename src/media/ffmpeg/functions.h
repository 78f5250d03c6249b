// FFmpeg's functions, loaded when the first video is opened. Linking its libraries would cost every command, of which
// few see a video, some 60 ms and 120 shared libraries at its start, and keep it from starting where they are missing.
//
// Each function is a pointer of the same name in this namespace, which hides the declaration of FFmpeg's headers: a
// call looks as it would with linked libraries, but is valid only behind load_ffmpeg().
#pragma once

#include "azimuth/status.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/frame.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#define AZIMUTH_AVUTIL_FUNCTIONS(X) \
  X(av_frame_alloc)                 \
  X(av_frame_free)                  \
  X(av_frame_get_buffer)            \
  X(av_free)                        \
  X(av_freep)                       \
  X(av_get_pix_fmt_name)            \
  X(av_log_set_callback)            \
  X(av_malloc)                      \
  X(av_pix_fmt_desc_get)            \
  X(av_strdup)                      \
  X(av_strerror)
#define AZIMUTH_AVCODEC_FUNCTIONS(X) \
  X(av_packet_alloc)                 \
  X(av_packet_free)                  \
  X(av_packet_unref)                 \
  X(avcodec_alloc_context3)          \
  X(avcodec_find_decoder)            \
  X(avcodec_free_context)            \
  X(avcodec_get_name)                \
  X(avcodec_open2)                   \
  X(avcodec_parameters_to_context)   \
  X(avcodec_receive_frame)           \
  X(avcodec_send_packet)
#define AZIMUTH_AVFORMAT_FUNCTIONS(X) \
  X(av_read_frame)                    \
  X(av_seek_frame)                    \
  X(avformat_alloc_context)           \
  X(avformat_close_input)             \
  X(avformat_find_stream_info)        \
  X(avformat_free_context)            \
  X(avformat_open_input)              \
  X(avio_alloc_context)               \
  X(avio_context_free)
#define AZIMUTH_SWSCALE_FUNCTIONS(X) \
  X(sws_freeContext)                 \
  X(sws_getCoefficients)             \
  X(sws_getContext)                  \
  X(sws_scale)                       \
  X(sws_setColorspaceDetails)

namespace azimuth::media {

#define AZIMUTH_DECLARE(name) extern decltype(&::name) name;
AZIMUTH_AVUTIL_FUNCTIONS(AZIMUTH_DECLARE)
AZIMUTH_AVCODEC_FUNCTIONS(AZIMUTH_DECLARE)
AZIMUTH_AVFORMAT_FUNCTIONS(AZIMUTH_DECLARE)
AZIMUTH_SWSCALE_FUNCTIONS(AZIMUTH_DECLARE)
#undef AZIMUTH_DECLARE

// Loads the libraries of the release that this was compiled for, once, and silences what they print. Errors:
// unsupported where one of them is missing.
Status load_ffmpeg();

}  // namespace azimuth::media
