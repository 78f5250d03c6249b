// Source: PyAV, av/video/reformatter.py; FFmpeg 8, libswscale/graph.c.
#include "media/ffmpeg/frame_to_rgb.h"

#include <cstring>
#include <string>

#include "media/ffmpeg/chroma_planes.h"

namespace azimuth::media {
namespace {

bool is_interlaced(const AVFrame& frame) {
#ifdef AV_FRAME_FLAG_INTERLACED
  return (frame.flags & AV_FRAME_FLAG_INTERLACED) != 0;
#else
  return frame.interlaced_frame != 0;
#endif
}

// The rows of one field, borrowed from `frame`.
AVFrame field_of(const AVFrame& frame, bool bottom) {
  AVFrame field = frame;
  field.height = (frame.height + (bottom ? 0 : 1)) / 2;
  for (int plane = 0; plane < 4 && frame.data[plane]; ++plane) {
    if (bottom) field.data[plane] = frame.data[plane] + frame.linesize[plane];
    field.linesize[plane] = 2 * frame.linesize[plane];
  }
  return field;
}

}  // namespace

Result<Image> FrameConverter::convert(const AVFrame& frame) {
  Image image{frame.width, frame.height, {}};
  image.rgb.resize(static_cast<size_t>(3) * image.width * image.height);
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  if (!format) return unsupported("video frames of a known pixel format were expected; convert the video to H.264");
  const bool fields = is_interlaced(frame) && frame.height > 1 && !(format->flags & AV_PIX_FMT_FLAG_PAL);
  for (int i = 0; i < (fields ? 2 : 1); ++i) {
    const AVFrame rows = fields ? field_of(frame, i == 1) : frame;
    if (needs_full_chroma(rows)) {
      AZ_ASSIGN_OR_RETURN(const FrameHandle full, full_chroma(rows, fields, i == 1));
      AZ_RETURN_IF_ERROR(convert_rows(*full, image, i, fields ? 2 : 1));
    } else {
      AZ_RETURN_IF_ERROR(convert_rows(rows, image, i, fields ? 2 : 1));
    }
  }
  return image;
}

Status FrameConverter::set_up(const AVFrame& source) {
  if (scaler_ && rgb_->width == source.width && rgb_->height == source.height && source_format_ == source.format) {
    return ok_status();
  }
  const auto format = static_cast<AVPixelFormat>(source.format);
  scaler_.reset(sws_getContext(source.width, source.height, format, source.width, source.height, AV_PIX_FMT_RGB24,
                               SWS_BILINEAR, nullptr, nullptr, nullptr));
  if (!scaler_) {
    const char* name = av_get_pix_fmt_name(format);
    return unsupported("video frames that can be converted to RGB were expected, found pixels of format " +
                       std::string(name ? name : "unknown") + "; convert the video to H.264");
  }
  rgb_.reset(av_frame_alloc());
  if (rgb_) {
    rgb_->width = source.width;
    rgb_->height = source.height;
    rgb_->format = AV_PIX_FMT_RGB24;
  }
  if (!rgb_ || av_frame_get_buffer(rgb_.get(), 0) < 0) {
    scaler_.reset();
    return resource_exhausted("memory for a video frame was expected, found none");
  }
  source_format_ = source.format;
  return ok_status();
}

Status FrameConverter::convert_rows(const AVFrame& source, Image& out, int first_row, int row_step) {
  AZ_RETURN_IF_ERROR(set_up(source));
  const int* coefficients = sws_getCoefficients(source.colorspace);
  const int full_range = source.color_range == AVCOL_RANGE_JPEG;
  sws_setColorspaceDetails(scaler_.get(), coefficients, full_range, coefficients, 0, 0, 1 << 16, 1 << 16);
  sws_scale(scaler_.get(), source.data, source.linesize, 0, source.height, rgb_->data, rgb_->linesize);
  const size_t row_bytes = static_cast<size_t>(3) * source.width;
  for (int row = 0; row < source.height; ++row) {
    const size_t line = static_cast<size_t>(first_row) + static_cast<size_t>(row) * row_step;
    std::memcpy(out.rgb.data() + line * row_bytes, rgb_->data[0] + ptrdiff_t{row} * rgb_->linesize[0], row_bytes);
  }
  return ok_status();
}

}  // namespace azimuth::media
