#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>
#include <string>

#include "media/decoders.h"
#include "media/orientation.h"

namespace azimuth::media {
namespace {

std::string_view chunk_of(const WebPDemuxer* demuxer, const char* name) {
  WebPChunkIterator chunk;
  if (!WebPDemuxGetChunk(demuxer, name, 1, &chunk)) return {};
  // The bytes belong to the file, not to the iterator.
  const std::string_view bytes(reinterpret_cast<const char*>(chunk.chunk.bytes), chunk.chunk.size);
  WebPDemuxReleaseChunkIterator(&chunk);
  return bytes;
}

int orientation_of(const WebPDemuxer* demuxer) {
  const std::string_view exif = chunk_of(demuxer, "EXIF");
  return read_orientation({reinterpret_cast<const uint8_t*>(exif.data()), exif.size()}, chunk_of(demuxer, "XMP "));
}

std::vector<uint8_t> without_alpha(const uint8_t* rgba, size_t pixels) {
  std::vector<uint8_t> rgb(3 * pixels);
  for (size_t i = 0; i < pixels; ++i) {
    for (size_t c = 0; c < 3; ++c) rgb[3 * i + c] = rgba[4 * i + c];
  }
  return rgb;
}

}  // namespace

Result<DecodedPixels> decode_webp(std::span<const uint8_t> bytes, int64_t max_pixels) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(bytes.data(), bytes.size(), &features) != VP8_STATUS_OK) {
    return damaged("WebP", "its header is incomplete or damaged");
  }
  AZ_RETURN_IF_ERROR(check_picture_size(features.width, features.height, max_pixels));

  // The animation decoder also reads still pictures, and draws a frame that covers only a part of its canvas.
  WebPAnimDecoderOptions options;
  if (!WebPAnimDecoderOptionsInit(&options)) return internal_error("libwebp has another version than its headers");
  options.color_mode = MODE_RGBA;
  const WebPData data{bytes.data(), bytes.size()};
  const std::unique_ptr<WebPAnimDecoder, decltype(&WebPAnimDecoderDelete)> decoder(WebPAnimDecoderNew(&data, &options),
                                                                                   WebPAnimDecoderDelete);
  WebPAnimInfo info;
  if (!decoder || !WebPAnimDecoderGetInfo(decoder.get(), &info)) {
    return damaged("WebP", "it ends before its picture is complete, or its parts do not fit together");
  }
  AZ_RETURN_IF_ERROR(check_picture_size(info.canvas_width, info.canvas_height, max_pixels));
  uint8_t* rgba = nullptr;
  int timestamp = 0;
  if (!WebPAnimDecoderGetNext(decoder.get(), &rgba, &timestamp)) return damaged("WebP", "its picture is damaged");

  DecodedPixels decoded{info.canvas_width,
                        info.canvas_height,
                        features.has_alpha != 0,
                        {},
                        orientation_of(WebPAnimDecoderGetDemuxer(decoder.get()))};
  const size_t pixels = static_cast<size_t>(info.canvas_width) * info.canvas_height;
  decoded.values = decoded.has_alpha ? std::vector<uint8_t>(rgba, rgba + 4 * pixels) : without_alpha(rgba, pixels);
  return decoded;
}

}  // namespace azimuth::media
