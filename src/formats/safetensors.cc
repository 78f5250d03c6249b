#include "formats/safetensors.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <new>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/json.h"

namespace azimuth::formats {
namespace {

constexpr size_t kLengthBytes = 8;
constexpr std::string_view kMetadata = "__metadata__";

struct DTypeName {
  DType dtype;
  std::string_view name;
};
constexpr DTypeName kDTypes[] = {
    {DType::f64, "F64"}, {DType::f32, "F32"}, {DType::f16, "F16"}, {DType::bf16, "BF16"}, {DType::i64, "I64"},
    {DType::i32, "I32"}, {DType::i16, "I16"}, {DType::i8, "I8"},   {DType::u8, "U8"},     {DType::boolean, "BOOL"},
};

std::optional<DType> dtype_named(std::string_view name) {
  for (const DTypeName& entry : kDTypes) {
    if (entry.name == name) return entry.dtype;
  }
  return std::nullopt;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t axis = 0; axis < shape.size() && axis < 10; ++axis) {
    text += (axis > 0 ? ", " : "") + std::to_string(shape[axis]);
  }
  return text + (shape.size() > 10 ? ", ...]" : "]");
}

// Bytes of `shape` elements; nothing where the product of the extents that are not zero does not fit, because strides
// are such products even in a tensor without elements.
std::optional<uint64_t> shape_bytes(const std::vector<int64_t>& shape, size_t element_bytes) {
  auto bytes = static_cast<int64_t>(element_bytes);
  bool has_elements = true;
  for (const int64_t extent : shape) {
    if (extent == 0) {
      has_elements = false;
    } else if (__builtin_mul_overflow(bytes, extent, &bytes)) {
      return std::nullopt;
    }
  }
  return has_elements ? bytes : 0;
}

uint64_t little_endian(std::span<const std::byte> bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) value |= std::to_integer<uint64_t>(bytes[i]) << (8 * i);
  return value;
}

class HeaderParser {
 public:
  HeaderParser(std::string_view file, uint64_t data_bytes) : file_(file), data_bytes_(data_bytes) {}

  Status parse(std::string_view text) {
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    if (const auto error = parser.parse(simdjson::padded_string(text)).get(root)) {
      return damaged("expected a JSON header", simdjson::error_message(error));
    }
    simdjson::dom::object tensors;
    if (root.get(tensors)) return damaged("expected the header to be a JSON object", "another type");
    for (const auto [name, value] : tensors) {
      AZ_RETURN_IF_ERROR(name == kMetadata ? parse_metadata(value) : parse_entry(name, value));
    }
    AZ_RETURN_IF_ERROR(check_coverage());
    return sort_by_name();
  }

  SafeTensorsHeader take() { return std::move(header_); }

 private:
  Status damaged(std::string_view expected, std::string_view found) const {
    return data_loss(std::string(file_) + ": " + std::string(expected) + ", found " + std::string(found));
  }

  Status parse_metadata(simdjson::dom::element value) {
    simdjson::dom::object object;
    if (value.get(object)) return damaged("expected __metadata__ to be an object of strings", "another type");
    if (std::exchange(has_metadata_, true)) return damaged("expected one __metadata__", "two");
    for (const auto [key, item] : object) {
      std::string_view text;
      if (item.get(text)) return damaged("expected __metadata__ to be an object of strings", "another type inside");
      if (!header_.metadata.emplace(key, text).second)
        return damaged("expected unique __metadata__ keys", quote_json(key) + " twice");
    }
    return ok_status();
  }

  Status parse_entry(std::string_view name, simdjson::dom::element value) {
    TensorEntry entry;
    entry.name = name;
    simdjson::dom::object object;
    if (value.get(object)) return damaged("expected tensor " + quote_json(name) + " to be an object", "another type");
    std::set<std::string_view> seen;
    for (const auto [key, item] : object) {
      if (!seen.insert(key).second)
        return damaged("expected unique keys in tensor " + quote_json(name), quote_json(key) + " twice");
      AZ_RETURN_IF_ERROR(parse_key(key, item, entry));
    }
    if (seen.size() != 3) {
      return damaged("expected tensor " + quote_json(name) + " to have dtype, shape and data_offsets",
                     std::to_string(seen.size()) + " of them");
    }
    AZ_RETURN_IF_ERROR(check_size(entry));
    header_.entries.push_back(std::move(entry));
    return ok_status();
  }

  Status parse_key(std::string_view key, simdjson::dom::element value, TensorEntry& entry) const {
    if (key == "dtype") return parse_dtype(value, entry);
    if (key == "shape") return parse_shape(value, entry);
    if (key == "data_offsets") return parse_offsets(value, entry);
    return damaged("expected tensor " + quote_json(entry.name) + " to have dtype, shape and data_offsets only",
                   quote_json(key));
  }

  Status parse_dtype(simdjson::dom::element value, TensorEntry& entry) const {
    std::string_view word;
    if (value.get(word))
      return damaged("expected dtype of " + quote_json(entry.name) + " to be a string", "another type");
    entry.dtype = word;
    return ok_status();
  }

  Status parse_shape(simdjson::dom::element value, TensorEntry& entry) const {
    simdjson::dom::array extents;
    if (value.get(extents))
      return damaged("expected shape of " + quote_json(entry.name) + " to be an array", "another type");
    for (const auto item : extents) {
      int64_t extent = 0;
      if (item.get(extent) || extent < 0) {
        return damaged("expected shape of " + quote_json(entry.name) + " to hold whole numbers below 2^63",
                       simdjson::minify(item));
      }
      entry.shape.push_back(extent);
    }
    return ok_status();
  }

  Status parse_offsets(simdjson::dom::element value, TensorEntry& entry) const {
    simdjson::dom::array offsets;
    if (value.get(offsets) || offsets.size() != 2 || offsets.at(0).get(entry.begin) || offsets.at(1).get(entry.end)) {
      return damaged("expected data_offsets of " + quote_json(entry.name) + " to be two whole numbers",
                     simdjson::minify(value));
    }
    if (entry.begin > entry.end || entry.end > data_bytes_) {
      return damaged("expected data_offsets of " + quote_json(entry.name) + " within the " +
                         std::to_string(data_bytes_) + " bytes of data",
                     "[" + std::to_string(entry.begin) + ", " + std::to_string(entry.end) + "]");
    }
    return ok_status();
  }

  // The element size of an unknown dtype is unknown too: its range was checked, its shape cannot be.
  Status check_size(const TensorEntry& entry) const {
    const auto dtype = dtype_named(entry.dtype);
    if (!dtype) return ok_status();
    const auto bytes = shape_bytes(entry.shape, size_of(*dtype));
    if (bytes == entry.end - entry.begin) return ok_status();
    return damaged("expected tensor " + quote_json(entry.name) + " of " + entry.dtype + " " + shape_text(entry.shape) +
                       " to take " + (bytes ? std::to_string(*bytes) + " bytes" : "less than 2^63 bytes"),
                   std::to_string(entry.end - entry.begin) + " bytes in the file");
  }

  // Every byte of the data belongs to exactly one tensor, as the format demands: what is left over or shared can only
  // be damage or something hidden.
  Status check_coverage() {
    std::sort(header_.entries.begin(), header_.entries.end(), [](const TensorEntry& a, const TensorEntry& b) {
      return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    uint64_t covered = 0;
    for (const TensorEntry& entry : header_.entries) {
      if (entry.begin != covered) {
        return damaged(
            "expected tensor " + quote_json(entry.name) + " to begin at byte " + std::to_string(covered) +
                ", where the one before it ends",
            std::to_string(entry.begin) + (entry.begin < covered ? ", which overlaps it" : ", which leaves a gap"));
      }
      covered = entry.end;
    }
    if (covered == data_bytes_) return ok_status();
    return damaged("expected the tensors to cover all " + std::to_string(data_bytes_) + " bytes of data",
                   std::to_string(covered) + " covered");
  }

  Status sort_by_name() {
    auto& entries = header_.entries;
    std::sort(entries.begin(), entries.end(),
              [](const TensorEntry& a, const TensorEntry& b) { return a.name < b.name; });
    const auto twice = std::adjacent_find(entries.begin(), entries.end(),
                                          [](const TensorEntry& a, const TensorEntry& b) { return a.name == b.name; });
    return twice == entries.end() ? ok_status()
                                  : damaged("expected unique tensor names", quote_json(twice->name) + " twice");
  }

  std::string_view file_;
  uint64_t data_bytes_;
  bool has_metadata_ = false;
  SafeTensorsHeader header_;
};

// The length N of the JSON header, checked against the file.
Result<uint64_t> header_length(std::span<const std::byte> head, uint64_t file_bytes, std::string_view file,
                               const SafeTensorsLimits& limits) {
  const std::string name(file);
  if (file_bytes < kLengthBytes || head.size() < kLengthBytes) {
    return data_loss(name + ": expected a safetensors file of at least 8 bytes, found " + std::to_string(file_bytes));
  }
  const uint64_t length = little_endian(head);
  if (length > file_bytes - kLengthBytes) {
    return data_loss(name + ": expected a header within the file's " + std::to_string(file_bytes) +
                     " bytes, found a length of " + std::to_string(length) +
                     "; the file is cut short or is not a safetensors file");
  }
  if (length > limits.header_bytes) {
    return resource_exhausted(name + ": expected a header of at most " + std::to_string(limits.header_bytes) +
                              " bytes, found " + std::to_string(length));
  }
  return length;
}

}  // namespace

std::string_view safetensors_name(DType dtype) {
  for (const DTypeName& entry : kDTypes) {
    if (entry.dtype == dtype) return entry.name;
  }
  return "unknown";
}

Result<SafeTensorsHeader> parse_safetensors_header(std::span<const std::byte> head, uint64_t file_bytes,
                                                   std::string_view file, const SafeTensorsLimits& limits) {
  AZ_ASSIGN_OR_RETURN(const uint64_t length, header_length(head, file_bytes, file, limits));
  if (head.size() - kLengthBytes < length) {
    return data_loss(std::string(file) + ": expected " + std::to_string(length) + " bytes of header, found " +
                     std::to_string(head.size() - kLengthBytes));
  }
  HeaderParser parser(file, file_bytes - kLengthBytes - length);
  AZ_RETURN_IF_ERROR(parser.parse({reinterpret_cast<const char*>(head.data()) + kLengthBytes, length}));
  SafeTensorsHeader header = parser.take();
  header.data_offset = kLengthBytes + length;
  return header;
}

struct SafeTensors::AlignedCopies {
  std::mutex mutex;
  std::unordered_map<std::string, std::vector<std::byte>> by_name;
};

SafeTensors::SafeTensors(MappedFile file, SafeTensorsHeader header)
    : file_(std::move(file)), header_(std::move(header)), copies_(std::make_shared<AlignedCopies>()) {}

Result<SafeTensors> SafeTensors::open(const std::string& path, const SafeTensorsLimits& limits) {
  AZ_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  const uint64_t size = file.bytes().size();
  std::vector<std::byte> head(std::min<uint64_t>(size, kLengthBytes));
  AZ_RETURN_IF_ERROR(file.copy(0, head));
  AZ_ASSIGN_OR_RETURN(const uint64_t length, header_length(head, size, path, limits));
  head.resize(kLengthBytes + length);
  AZ_RETURN_IF_ERROR(file.copy(0, head));
  AZ_ASSIGN_OR_RETURN(SafeTensorsHeader header, parse_safetensors_header(head, size, path, limits));
  return SafeTensors(std::move(file), std::move(header));
}

const TensorEntry* SafeTensors::find(std::string_view name) const {
  const auto& entries = header_.entries;
  const auto at =
      std::lower_bound(entries.begin(), entries.end(), name,
                       [](const TensorEntry& entry, std::string_view wanted) { return entry.name < wanted; });
  return at != entries.end() && at->name == name ? &*at : nullptr;
}

Result<TensorView> SafeTensors::tensor(std::string_view name) const {
  const TensorEntry* const entry = find(name);
  if (!entry) return not_found(path() + ": expected a tensor named " + quote_json(name) + ", found none");
  const auto dtype = dtype_named(entry->dtype);
  if (!dtype) {
    return unsupported(path() + ": tensor " + quote_json(name) +
                       " expected one of the dtypes F64 F32 F16 BF16 I64 I32 I16 I8 U8 "
                       "BOOL, found " +
                       quote_json(entry->dtype));
  }
  if (entry->shape.size() > Shape::kMaxRank) {
    return unsupported(path() + ": tensor " + quote_json(name) + " expected at most " +
                       std::to_string(Shape::kMaxRank) + " dimensions, found " + std::to_string(entry->shape.size()));
  }
  const std::byte* data = file_.bytes().data() + header_.data_offset + entry->begin;
  if (reinterpret_cast<uintptr_t>(data) % size_of(*dtype) != 0) {
    AZ_ASSIGN_OR_RETURN(data, aligned_copy(*entry));
  }
  return TensorView::contiguous(data, *dtype, Shape(entry->shape));
}

Result<const std::byte*> SafeTensors::aligned_copy(const TensorEntry& entry) const {
  std::lock_guard lock(copies_->mutex);
  const auto [at, is_new] = copies_->by_name.try_emplace(entry.name);
  if (is_new) {
    if (Status copied = copy_elements(entry, at->second); !copied.ok()) {
      copies_->by_name.erase(at);
      return copied;
    }
  }
  const std::byte* const data = at->second.data();
  return data;
}

// The size comes from the file, which may be sparse and larger than memory.
Status SafeTensors::copy_elements(const TensorEntry& entry, std::vector<std::byte>& out) const {
  try {
    out.resize(entry.end - entry.begin);
  } catch (const std::bad_alloc&) {
    return resource_exhausted(path() + ": no memory for the " + std::to_string(entry.end - entry.begin) +
                              " bytes of tensor " + quote_json(entry.name));
  }
  return file_.copy(header_.data_offset + entry.begin, out);
}

void SafeTensors::prefetch(const TensorEntry& entry) const {
  file_.advise(Access::soon, header_.data_offset + entry.begin, entry.end - entry.begin);
}

void SafeTensors::release(std::span<const std::byte> bytes) const {
  const std::byte* const begin = file_.bytes().data();
  if (bytes.empty() || bytes.data() < begin || bytes.data() >= begin + file_.bytes().size()) return;
  file_.advise(Access::done, static_cast<size_t>(bytes.data() - begin), bytes.size());
}

}  // namespace azimuth::formats
