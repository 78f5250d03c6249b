#include "media/video_bytes.h"

#include <cstring>

#include "media/image.h"
#include "media/media_source.h"

namespace azimuth::media {

Result<VideoBytes> VideoBytes::open(const std::string& source, int64_t max_bytes) {
  if (is_web_url(source)) {
    return unsupported("a video file or a data: URL was expected, found a web address; download the video first");
  }
  if (source.starts_with("data:")) {
    AZ_ASSIGN_OR_RETURN(std::vector<uint8_t> data, decode_data_url(source));
    if (data.size() <= static_cast<size_t>(max_bytes)) return VideoBytes(std::move(data));
    return resource_exhausted("a video of at most " + std::to_string(max_bytes) + " bytes was expected, found " +
                              std::to_string(data.size()) + "; shorten it or raise the limit");
  }
  AZ_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(source, static_cast<size_t>(max_bytes)));
  if (file.bytes().empty()) return invalid_argument("a video was expected, found an empty file");
  return VideoBytes(std::move(file));
}

size_t VideoBytes::size() const {
  if (const auto* file = std::get_if<MappedFile>(&bytes_)) return file->bytes().size();
  return std::get<std::vector<uint8_t>>(bytes_).size();
}

Status VideoBytes::copy(size_t offset, std::span<std::byte> out) const {
  if (const auto* file = std::get_if<MappedFile>(&bytes_)) return file->copy(offset, out);
  const auto& data = std::get<std::vector<uint8_t>>(bytes_);
  if (offset > data.size() || out.size() > data.size() - offset) return out_of_range("bytes behind the end of a video");
  std::memcpy(out.data(), data.data() + offset, out.size());
  return ok_status();
}

}  // namespace azimuth::media
