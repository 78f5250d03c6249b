// Read-only memory maps, and reads that survive a file that was cut short after it had been mapped.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "azimuth/status.h"

namespace azimuth {

// `done`: not again, so that its pages need not count as memory in use; reading them all the same is still right.
enum class Access { sequential, random, soon, done };

// A whole file in memory. Movable; unmaps when destroyed. An empty file has empty bytes().
class MappedFile {
 public:
  // Errors: not_found, invalid_argument where the path is no regular file, resource_exhausted beyond `max_bytes`.
  static Result<MappedFile> open(const std::string& path, size_t max_bytes = static_cast<size_t>(-1));
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  const std::string& path() const { return path_; }
  // Valid as long as the object. The file may shrink under the map: read inside guarded_read(), or copy().
  std::span<const std::byte> bytes() const { return bytes_; }
  // Tells the kernel how the range is going to be read; a hint that cannot fail.
  void advise(Access access, size_t offset = 0, size_t length = static_cast<size_t>(-1)) const;
  // From now on a page of this map that cannot be read any more reads as zeros, outside of guarded_read() too, and
  // lost() says so: for maps that many threads compute on. Up to 4096 maps at a time; later ones stay as they are.
  void read_lost_pages_as_zeros();
  bool lost() const;
  // Copies bytes [offset, offset + out.size()). Errors: out_of_range, data_loss where the file was cut short.
  Status copy(size_t offset, std::span<std::byte> out) const;

 private:
  MappedFile(std::string path, std::span<const std::byte> bytes) : path_(std::move(path)), bytes_(bytes) {}
  std::string path_;
  std::span<const std::byte> bytes_;
  int watched_ = -1;  // place among the maps whose lost pages read as zeros
};

// The whole text of a small file. Errors as MappedFile::open, and data_loss where the read fails.
Result<std::string> read_file(const std::string& path, size_t max_bytes);

// Runs body(), which reads mapped files on the calling thread, and returns data_loss naming `what` where a page of them
// cannot be read any more (SIGBUS). The body is then left at once without running destructors: it must only read
// memory and write to buffers owned outside, and must not lock, allocate, or hand the work to other threads (a loop
// over a pool calls guarded_read inside of its body). A SIGBUS elsewhere reaches the handler that was installed before.
// Costs one system call; may be nested.
Status guarded_read(std::string_view what, const std::function<void()>& body);

}  // namespace azimuth
