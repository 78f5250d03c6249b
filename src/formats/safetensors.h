// The safetensors format (https://github.com/huggingface/safetensors, README "Format"): eight bytes with the length N
// of a JSON header, little-endian; N bytes of header; the elements of all tensors without gaps.
//
// A file is untrusted: everything that the header says is checked against the file before a tensor can be reached.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "azimuth/status.h"
#include "base/mmap.h"
#include "tensor/tensor.h"

namespace azimuth::formats {

struct SafeTensorsLimits {
  size_t header_bytes = 100'000'000;  // the limit of the format's own library
};

// One tensor as the header describes it. `dtype` is the header's word ("BF16"), which this build may not know.
struct TensorEntry {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  uint64_t begin = 0;  // bytes [begin, end) of the data that follows the header
  uint64_t end = 0;
};

struct SafeTensorsHeader {
  std::vector<TensorEntry> entries;  // sorted by name
  std::map<std::string, std::string> metadata;
  uint64_t data_offset = 0;  // of the first element in the file
};

// Parses and checks the start of a file of `file_bytes` bytes; `head` holds at least the length and the header. `file`
// is the name for error messages. Errors: data_loss where the header and the file contradict the format or each other,
// resource_exhausted beyond a limit.
Result<SafeTensorsHeader> parse_safetensors_header(std::span<const std::byte> head, uint64_t file_bytes,
                                                   std::string_view file, const SafeTensorsLimits& limits = {});

// A mapped file. Views stay valid as long as the object (moving it keeps them); reading them may fault where the file
// is cut short meanwhile, see guarded_read(). All const calls are safe from any thread.
class SafeTensors {
 public:
  static Result<SafeTensors> open(const std::string& path, const SafeTensorsLimits& limits = {});

  const std::string& path() const { return file_.path(); }
  const std::vector<TensorEntry>& entries() const { return header_.entries; }  // sorted by name
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  uint64_t data_bytes() const { return file_.bytes().size() - header_.data_offset; }

  // Null where there is no such tensor.
  const TensorEntry* find(std::string_view name) const;
  // Elements in the map itself, or, where the file does not align them, in a copy made at the first call.
  // Errors: not_found; unsupported for dtypes other than F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL and for more than
  // Shape::kMaxRank dimensions; data_loss.
  Result<TensorView> tensor(std::string_view name) const;
  // Asks the kernel to read the tensor ahead of its use.
  void prefetch(const TensorEntry& entry) const;
  // Says that bytes of a view, or of a part of one, were read for the last time. Copies are left alone.
  void release(std::span<const std::byte> bytes) const;
  // As MappedFile: for files that are computed on where they lie.
  void read_lost_pages_as_zeros() { file_.read_lost_pages_as_zeros(); }
  bool lost() const { return file_.lost(); }

 private:
  struct AlignedCopies;
  SafeTensors(MappedFile file, SafeTensorsHeader header);
  Result<const std::byte*> aligned_copy(const TensorEntry& entry) const;
  Status copy_elements(const TensorEntry& entry, std::vector<std::byte>& out) const;

  MappedFile file_;
  SafeTensorsHeader header_;
  std::shared_ptr<AlignedCopies> copies_;
};

// The header's word for a dtype: "BF16".
std::string_view safetensors_name(DType dtype);

struct NamedTensor {
  std::string name;
  TensorView view;  // contiguous
};

// Writes a file that the reference library accepts: tensors aligned to eight bytes and ordered by element size, then
// name. The file appears under its name only when it is complete.
// Errors: invalid_argument for duplicate or reserved names, names that are not UTF-8 and views with gaps; data_loss
// where the disk refuses.
Status write_safetensors(const std::string& path, std::span<const NamedTensor> tensors,
                         const std::map<std::string, std::string>& metadata = {});

}  // namespace azimuth::formats
