#include "media/ffmpeg/chroma_planes.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace azimuth::media {
namespace {

constexpr int kUnit = 256;  // of chroma positions: the distance of two pixels

struct ChromaPosition {
  int x = kUnit / 2;
  int y = kUnit / 2;
};

// Of the first chroma sample, in units behind the first pixel, for subsampling by two. Source: libavutil/pixdesc.c.
ChromaPosition chroma_position(AVChromaLocation location) {
  switch (location) {
    case AVCHROMA_LOC_LEFT: return {0, kUnit / 2};
    case AVCHROMA_LOC_TOPLEFT: return {0, 0};
    case AVCHROMA_LOC_TOP: return {kUnit / 2, 0};
    case AVCHROMA_LOC_BOTTOMLEFT: return {0, kUnit};
    case AVCHROMA_LOC_BOTTOM: return {kUnit / 2, kUnit};
    default: return {};
  }
}

// The two samples that each output of one dimension lies between.
struct LinearTaps {
  std::vector<int> first, second;
  std::vector<double> weight;  // of the second
};

// `position` as the scaler counts it. Source: libswscale/utils.c, get_local_pos and initFilter.
LinearTaps linear_taps(int in_size, int out_size, int in_shift, int position, int out_shift) {
  const int from = (position + 128) >> in_shift;
  const int to = (((128 << out_shift) - 128) + 128) >> out_shift;
  const int64_t step = ((int64_t{in_size} << 16) + (out_size >> 1)) / out_size;
  const int64_t start = ((to * step) >> 7) - ((int64_t{from} << 16) >> 7);  // in units of 1 / 2^17
  LinearTaps taps;
  for (int i = 0; i < out_size; ++i) {
    const double at = static_cast<double>(start + 2 * step * i) / (1 << 17);
    const double below = std::floor(at);
    taps.first.push_back(std::clamp(static_cast<int>(below), 0, in_size - 1));
    taps.second.push_back(std::clamp(static_cast<int>(below) + 1, 0, in_size - 1));
    taps.weight.push_back(at - below);
  }
  return taps;
}

// Reads samples of one plane, of 8 bits or of 9 to 16 in little endian.
struct Plane {
  const uint8_t* data;
  ptrdiff_t stride;  // bytes
  bool wide;

  int at(int x, int y) const {
    const uint8_t* row = data + y * stride;
    return wide ? row[2 * x] | row[2 * x + 1] << 8 : row[x];
  }
};

// Interpolated values of `depth` bits as 16 bits in little endian.
void put(uint8_t* row, int x, double value, int depth) {
  const double scaled = std::ldexp(value, 16 - depth);
  const int rounded = std::clamp(static_cast<int>(std::floor(scaled + 0.5)), 0, 65535);
  row[2 * x] = static_cast<uint8_t>(rounded & 255);
  row[2 * x + 1] = static_cast<uint8_t>(rounded >> 8);
}

// One plane of `out`, as many pixels as there are taps.
void interpolate(const Plane& in, const LinearTaps& across, const LinearTaps& down, int depth, uint8_t* out,
                 ptrdiff_t stride) {
  for (size_t y = 0; y < down.weight.size(); ++y) {
    for (size_t x = 0; x < across.weight.size(); ++x) {
      const double w = across.weight[x];
      const auto row = [&](int line) {
        return (1.0 - w) * in.at(across.first[x], line) + w * in.at(across.second[x], line);
      };
      const double value = (1.0 - down.weight[y]) * row(down.first[y]) + down.weight[y] * row(down.second[y]);
      put(out + static_cast<ptrdiff_t>(y) * stride, static_cast<int>(x), value, depth);
    }
  }
}

bool is_planar_yuv(const AVPixFmtDescriptor& format) {
  const uint64_t other = AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BE | AV_PIX_FMT_FLAG_FLOAT |
                         AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BITSTREAM;
  return (format.flags & AV_PIX_FMT_FLAG_PLANAR) && !(format.flags & other) && format.nb_components >= 3 &&
         format.comp[1].plane == 1 && format.comp[2].plane == 2;
}

}  // namespace

bool needs_full_chroma(const AVFrame& frame) {
  const AVPixFmtDescriptor* format = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  if (!format || !is_planar_yuv(*format)) return false;
  if (format->log2_chroma_w == 0 && format->log2_chroma_h == 0) return false;
  const bool repeated = format->log2_chroma_w == 1 && format->log2_chroma_h <= 1 && format->comp[0].depth == 8;
  return !repeated || frame.height % 2 != 0;
}

Result<FrameHandle> full_chroma(const AVFrame& frame, bool interlaced, bool bottom_field) {
  const AVPixFmtDescriptor& format = *av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  const int shared = frame.width % 2 == 0 ? 2 : 1;  // pixels of a row with the same chroma
  FrameHandle out(av_frame_alloc());
  if (!out) return resource_exhausted("memory for a video frame was expected, found none");
  out->width = frame.width;
  out->height = frame.height;
  out->format = shared == 2 ? AV_PIX_FMT_YUV422P16LE : AV_PIX_FMT_YUV444P16LE;
  if (av_frame_get_buffer(out.get(), 0) < 0) {
    return resource_exhausted("memory for a video frame was expected, found none");
  }
  out->color_range = frame.color_range;
  out->colorspace = frame.colorspace;
  const int depth = format.comp[0].depth;
  for (int plane = 0; plane < 3; ++plane) {
    const int shift_x = plane == 0 ? 0 : format.log2_chroma_w;
    const int shift_y = plane == 0 ? 0 : format.log2_chroma_h;
    ChromaPosition position = chroma_position(frame.chroma_location);
    position.x *= (1 << shift_x) - 1;
    position.y *= (1 << shift_y) - 1;
    if (interlaced && shift_y > 0) {  // rows of a field are two pixels apart; libswscale/graph.c, get_chroma_pos
      if (bottom_field) position.y += (kUnit << shift_y) - kUnit;
      position.y >>= 1;
    }
    const int out_shift = plane > 0 ? shared - 1 : 0;
    const LinearTaps across =
        linear_taps(-((-frame.width) >> shift_x), frame.width >> out_shift, shift_x, position.x, out_shift);
    const LinearTaps down = linear_taps(-((-frame.height) >> shift_y), frame.height, shift_y, position.y, 0);
    interpolate({frame.data[plane], frame.linesize[plane], depth > 8}, across, down, depth, out->data[plane],
                out->linesize[plane]);
  }
  return out;
}

}  // namespace azimuth::media
