// The bytes of an encoded video: a mapped file, or what a data: URL holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "azimuth/status.h"
#include "base/mmap.h"

namespace azimuth::media {

class VideoBytes {
 public:
  // Errors: as VideoFile::open has them for files, without the path in front.
  static Result<VideoBytes> open(const std::string& source, int64_t max_bytes);

  explicit VideoBytes(std::vector<uint8_t> data) : bytes_(std::move(data)) {}

  size_t size() const;
  // Copies bytes [offset, offset + out.size()). Errors: out_of_range; data_loss where the file was cut short meanwhile.
  Status copy(size_t offset, std::span<std::byte> out) const;

 private:
  explicit VideoBytes(MappedFile file) : bytes_(std::move(file)) {}
  std::variant<MappedFile, std::vector<uint8_t>> bytes_;
};

}  // namespace azimuth::media
