#include "media/image_format.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace azimuth::media {
namespace {

constexpr size_t kSniffBytes = 1024;

std::string_view head_of(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), kSniffBytes)};
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

bool is_text(std::string_view head) {
  return std::ranges::all_of(head, [](unsigned char c) { return c >= 0x20 || c == '\n' || c == '\r' || c == '\t'; });
}

struct Signature {
  size_t offset;
  std::string_view bytes;
  std::string_view words;
};

using namespace std::string_view_literals;

constexpr std::array kForeign = {
    Signature{4, "ftypheic"sv, "a HEIC picture"},
    Signature{4, "ftypheix"sv, "a HEIC picture"},
    Signature{4, "ftypmif1"sv, "a HEIF picture"},
    Signature{4, "ftypmsf1"sv, "a HEIF picture"},
    Signature{4, "ftypavif"sv, "an AVIF picture"},
    Signature{4, "ftypavis"sv, "an AVIF picture"},
    Signature{4, "ftyp"sv, "an MP4 or QuickTime video"},
    Signature{0, "II*\0"sv, "a TIFF picture"},
    Signature{0, "MM\0*"sv, "a TIFF picture"},
    Signature{0, "\0\0\1\0"sv, "a Windows icon"},
    Signature{0, "\xff\x0a"sv, "a JPEG XL picture"},
    Signature{0, "\0\0\0\x0cJXL "sv, "a JPEG XL picture"},
    Signature{0, "\0\0\0\x0cjP  "sv, "a JPEG 2000 picture"},
    Signature{0, "8BPS"sv, "a Photoshop document"},
    Signature{0, "%PDF"sv, "a PDF document"},
    Signature{0, "PK\3\4"sv, "a ZIP archive"},
    Signature{0, "\x1f\x8b"sv, "gzip data"},
    Signature{0, "\x1a\x45\xdf\xa3"sv, "a Matroska or WebM video"},
    Signature{0, "RIFF"sv, "a RIFF file other than WebP"},
    Signature{0, "version https://git-lfs"sv, "a Git LFS pointer; the picture itself was not downloaded"},
};

}  // namespace

ImageFormat image_format(std::span<const uint8_t> bytes) {
  const std::string_view head = head_of(bytes);
  if (head.starts_with("\xff\xd8\xff"sv)) return ImageFormat::jpeg;
  if (head.starts_with("\x89PNG\r\n\x1a\n"sv)) return ImageFormat::png;
  if (head.starts_with("RIFF"sv) && head.size() >= 12 && head.substr(8, 4) == "WEBP"sv) return ImageFormat::webp;
  if (head.starts_with("GIF87a"sv) || head.starts_with("GIF89a"sv)) return ImageFormat::gif;
  if (head.starts_with("BM"sv) && head.size() >= 18 && head.substr(15, 3) == "\0\0\0"sv) return ImageFormat::bmp;
  return ImageFormat::unknown;
}

std::string describe_foreign(std::span<const uint8_t> bytes) {
  if (bytes.empty()) return "an empty file";
  std::string_view head = head_of(bytes);
  for (const Signature& signature : kForeign) {
    if (head.size() > signature.offset && head.substr(signature.offset).starts_with(signature.bytes)) {
      return std::string(signature.words);
    }
  }
  if (head.starts_with("\xef\xbb\xbf"sv)) head.remove_prefix(3);
  const std::string words = lower(head);
  if (words.find("<svg") != std::string::npos) return "an SVG drawing";
  if (words.find("<!doctype html") != std::string::npos || words.find("<html") != std::string::npos) {
    return "an HTML page";
  }
  if (words.starts_with("<?xml")) return "an XML document";
  if (is_text(head)) return "text";
  return "data of an unknown kind";
}

}  // namespace azimuth::media
