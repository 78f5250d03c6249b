#include <gif_lib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "media/decoders.h"

namespace azimuth::media {
namespace {

int read_bytes(GifFileType* gif, GifByteType* out, int count) {
  auto& rest = *static_cast<std::span<const uint8_t>*>(gif->UserData);
  const size_t taken = std::min(rest.size(), static_cast<size_t>(std::max(count, 0)));
  if (taken > 0) std::memcpy(out, rest.data(), taken);
  rest = rest.subspan(taken);
  return static_cast<int>(taken);
}

struct CloseGif {
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};
using GifReader = std::unique_ptr<GifFileType, CloseGif>;

Status gif_error(int code) {
  if (code == D_GIF_ERR_READ_FAILED || code == D_GIF_ERR_EOF_TOO_SOON) {
    return damaged("GIF", "it ends before its picture is complete");
  }
  const char* words = GifErrorString(code);
  return damaged("GIF", words ? words : "it cannot be read");
}

// Reads one extension; keeps the transparent index of a graphic control block.
Status read_extension(GifFileType* gif, std::optional<int>& transparent) {
  int code = 0;
  GifByteType* block = nullptr;
  if (DGifGetExtension(gif, &code, &block) == GIF_ERROR) return gif_error(gif->Error);
  if (code == GRAPHICS_EXT_FUNC_CODE && block) {
    GraphicsControlBlock control;
    if (DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK &&
        control.TransparentColor != NO_TRANSPARENT_COLOR) {
      transparent = control.TransparentColor;
    }
  }
  while (block) {
    if (DGifGetExtensionNext(gif, &block) == GIF_ERROR) return gif_error(gif->Error);
  }
  return ok_status();
}

// Leaves the reader behind the descriptor of the first frame.
Status find_first_frame(GifFileType* gif, std::optional<int>& transparent) {
  while (true) {
    GifRecordType record;
    if (DGifGetRecordType(gif, &record) == GIF_ERROR) return gif_error(gif->Error);
    if (record == TERMINATE_RECORD_TYPE) return damaged("GIF", "it holds no picture");
    if (record == EXTENSION_RECORD_TYPE) AZ_RETURN_IF_ERROR(read_extension(gif, transparent));
    if (record != IMAGE_DESC_RECORD_TYPE) continue;
    return DGifGetImageDesc(gif) == GIF_ERROR ? gif_error(gif->Error) : ok_status();
  }
}

using Palette = std::array<std::array<uint8_t, 3>, 256>;

// Without a colour table an index is its own shade of grey; indices beyond a table are black.
Palette palette_of(const GifFileType& gif) {
  Palette palette{};
  const ColorMapObject* colors = gif.Image.ColorMap ? gif.Image.ColorMap : gif.SColorMap;
  bool is_grey_ramp = true;
  for (int i = 0; colors && i < std::min(colors->ColorCount, 256); ++i) {
    const GifColorType& color = colors->Colors[i];
    palette[i] = {color.Red, color.Green, color.Blue};
    is_grey_ramp = is_grey_ramp && color.Red == i && color.Green == i && color.Blue == i;
  }
  for (int i = 0; is_grey_ramp && i < 256; ++i) palette[i].fill(static_cast<uint8_t>(i));
  return palette;
}

// indices: [canvas height, canvas width], prefilled.
Status read_frame(GifFileType* gif, int64_t canvas_width, std::vector<uint8_t>& indices) {
  constexpr int kFirstRow[] = {0, 4, 2, 1};
  constexpr int kRowStep[] = {8, 8, 4, 2};
  const GifImageDesc& frame = gif->Image;
  const auto read_row = [&](int y) {
    uint8_t* row = &indices[(frame.Top + int64_t{y}) * canvas_width + frame.Left];
    return DGifGetLine(gif, row, frame.Width) == GIF_ERROR ? gif_error(gif->Error) : ok_status();
  };
  if (!frame.Interlace) {
    for (int y = 0; y < frame.Height; ++y) AZ_RETURN_IF_ERROR(read_row(y));
    return ok_status();
  }
  for (int pass = 0; pass < 4; ++pass) {
    for (int y = kFirstRow[pass]; y < frame.Height; y += kRowStep[pass]) AZ_RETURN_IF_ERROR(read_row(y));
  }
  return ok_status();
}

}  // namespace

Result<DecodedPixels> decode_gif(std::span<const uint8_t> bytes, int64_t max_pixels) {
  int error = 0;
  GifReader gif(DGifOpen(&bytes, read_bytes, &error));
  if (!gif) return gif_error(error);
  std::optional<int> transparent;
  AZ_RETURN_IF_ERROR(find_first_frame(gif.get(), transparent));
  const GifImageDesc& frame = gif->Image;
  if (frame.Width <= 0 || frame.Height <= 0) return damaged("GIF", "its first frame is empty");
  // A frame that leaves the screen enlarges it.
  const int64_t width = std::max<int64_t>(gif->SWidth, int64_t{frame.Left} + frame.Width);
  const int64_t height = std::max<int64_t>(gif->SHeight, int64_t{frame.Top} + frame.Height);
  AZ_RETURN_IF_ERROR(check_picture_size(width, height, max_pixels));

  std::vector<uint8_t> indices(width * height, static_cast<uint8_t>(transparent.value_or(0)));
  AZ_RETURN_IF_ERROR(read_frame(gif.get(), width, indices));
  const Palette palette = palette_of(*gif);
  DecodedPixels decoded{width, height, transparent.has_value(), {}, 1};
  decoded.values.reserve(indices.size() * (transparent ? 4 : 3));
  for (uint8_t index : indices) {
    decoded.values.insert(decoded.values.end(), palette[index].begin(), palette[index].end());
    if (transparent) decoded.values.push_back(index == *transparent ? 0 : 255);
  }
  return decoded;
}

}  // namespace azimuth::media
