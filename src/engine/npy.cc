#include "engine/npy.h"

#include <bit>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>

#include "base/float16.h"

namespace azimuth::engine {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are copied as they lie in the file");

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMaxHeader = 1 << 16;

Status bad(std::string_view name, const std::string& what) {
  return invalid_argument(std::string(name) + " " + what);
}

// Text from a file as it may appear in a message.
std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 40)) out += c >= ' ' && c <= '~' ? c : '?';
  return "\"" + out + (text.size() > 40 ? "..." : "") + "\"";
}

// The header's text, and where the elements begin.
struct Layout {
  std::string_view header;
  size_t data = 0;
};

Result<Layout> find_header(std::string_view bytes, std::string_view name) {
  constexpr size_t kVersionEnd = 8;
  if (!is_npy(bytes) || bytes.size() < kVersionEnd) return bad(name, "expected an .npy file, found other bytes");
  const auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(bytes[i])); };
  const size_t version = byte(6);
  if (version < 1 || version > 3) {
    return bad(name, "expected .npy format 1, 2 or 3, found " + std::to_string(version) + "; save it with numpy.save");
  }
  const size_t begin = kVersionEnd + (version == 1 ? 2 : 4);
  if (bytes.size() < begin) return data_loss(std::string(name) + " ends within its .npy header; save it again");
  size_t length = byte(8) | byte(9) << 8;
  if (version > 1) length |= byte(10) << 16 | byte(11) << 24;
  if (length > kMaxHeader) {
    return bad(name, "expected an .npy header of at most " + std::to_string(kMaxHeader) + " bytes, found " +
                         std::to_string(length));
  }
  if (bytes.size() - begin < length)
    return data_loss(std::string(name) + " ends within its .npy header; save it again");
  return Layout{bytes.substr(begin, length), begin + length};
}

// What follows 'key': in the header, a Python dict literal whose keys and values NumPy fixes; nothing where it is
// absent.
std::optional<std::string_view> value_of(std::string_view header, std::string_view key) {
  for (const char quote : {'\'', '"'}) {
    const std::string quoted = quote + std::string(key) + quote;
    const size_t at = header.find(quoted);
    if (at == std::string_view::npos) continue;
    const size_t colon = header.find_first_not_of(' ', at + quoted.size());
    if (colon == std::string_view::npos || header[colon] != ':') return std::nullopt;
    const size_t value = header.find_first_not_of(' ', colon + 1);
    if (value == std::string_view::npos) return std::nullopt;
    return header.substr(value);
  }
  return std::nullopt;
}

Result<std::string_view> read_descr(std::string_view header, std::string_view name) {
  const std::optional<std::string_view> value = value_of(header, "descr");
  if (!value || (value->front() != '\'' && value->front() != '"')) {
    return bad(name, "expected an array of plain numbers in its .npy header, found " + shown(header));
  }
  const size_t end = value->find(value->front(), 1);
  const std::string_view descr = value->substr(1, end == std::string_view::npos ? end : end - 1);
  for (const std::string_view known : {"<i4", "<i8", "<f2", "<f4", "<f8"}) {
    if (descr == known) return known;
  }
  return bad(name, "expected elements of type <i4, <i8, <f2, <f4 or <f8, found " + shown(descr) +
                       "; convert the array with astype");
}

Result<bool> read_order(std::string_view header, std::string_view name) {
  const std::optional<std::string_view> value = value_of(header, "fortran_order");
  if (value && value->starts_with("True")) return true;
  if (value && value->starts_with("False")) return false;
  return bad(name, "expected fortran_order True or False in its .npy header, found " + shown(header));
}

Result<std::vector<int64_t>> read_shape(std::string_view header, std::string_view name) {
  const std::optional<std::string_view> value = value_of(header, "shape");
  const Status malformed = bad(name, "expected a shape such as (3, 12) in its .npy header, found " + shown(header));
  if (!value || value->front() != '(') return malformed;
  const size_t end = value->find(')');
  if (end == std::string_view::npos) return malformed;
  std::vector<int64_t> shape;
  std::string_view rest = value->substr(1, end - 1);
  while (true) {
    const size_t digit = rest.find_first_not_of(' ');
    if (digit == std::string_view::npos) return shape;
    int64_t size = 0;
    const auto [stop, error] = std::from_chars(rest.data() + digit, rest.data() + rest.size(), size);
    if (error != std::errc() || size < 0 || shape.size() == kMaxNpyRank) return malformed;
    shape.push_back(size);
    rest.remove_prefix(static_cast<size_t>(stop - rest.data()));
    const size_t comma = rest.find_first_not_of(' ');
    if (comma == std::string_view::npos) return shape;
    if (rest[comma] != ',') return malformed;
    rest.remove_prefix(comma + 1);
  }
}

// Elements of the shape, which must be exactly those that the file holds.
Result<size_t> count_elements(const std::vector<int64_t>& shape, size_t element, size_t bytes, std::string_view name) {
  int64_t count = 1;
  for (const int64_t size : shape) {
    if (size != 0 && count > kMaxNpyElements / size) {
      return resource_exhausted(std::string(name) + " expected at most " + std::to_string(kMaxNpyElements) +
                                " elements, found more; split the file");
    }
    count *= size;
  }
  if (static_cast<size_t>(count) * element == bytes) return static_cast<size_t>(count);
  return data_loss(std::string(name) + " expected " + std::to_string(static_cast<size_t>(count) * element) +
                   " bytes of elements as its shape says, found " + std::to_string(bytes) + "; save it again");
}

template <typename T>
void widen(std::string_view bytes, std::vector<double>& out) {
  for (size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    out[i] = static_cast<double>(value);
  }
}

void widen_halves(std::string_view bytes, std::vector<double>& out) {
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t bits;
    std::memcpy(&bits, bytes.data() + i * sizeof(bits), sizeof(bits));
    out[i] = static_cast<double>(f16_to_f32(bits));
  }
}

std::vector<double> read_elements(std::string_view descr, std::string_view bytes, size_t count) {
  std::vector<double> out(count);
  if (descr == "<i4") widen<int32_t>(bytes, out);
  if (descr == "<i8") widen<int64_t>(bytes, out);
  if (descr == "<f2") widen_halves(bytes, out);
  if (descr == "<f4") widen<float>(bytes, out);
  if (descr == "<f8") widen<double>(bytes, out);
  return out;
}

// From Fortran order (the first index runs fastest) to C order.
std::vector<double> to_c_order(const std::vector<double>& values, const std::vector<int64_t>& shape) {
  std::vector<double> out(values.size());
  std::vector<int64_t> index(shape.size(), 0);
  for (const double value : values) {
    size_t to = 0;
    for (size_t d = 0; d < shape.size(); ++d) to = to * static_cast<size_t>(shape[d]) + static_cast<size_t>(index[d]);
    out[to] = value;
    for (size_t d = 0; d < shape.size() && ++index[d] == shape[d]; ++d) index[d] = 0;
  }
  return out;
}

}  // namespace

bool is_npy(std::string_view bytes) {
  return bytes.starts_with(kMagic);
}

Result<NpyArray> parse_npy(std::string_view bytes, std::string_view name) {
  AZ_ASSIGN_OR_RETURN(const Layout layout, find_header(bytes, name));
  AZ_ASSIGN_OR_RETURN(const std::string_view descr, read_descr(layout.header, name));
  AZ_ASSIGN_OR_RETURN(const bool fortran_order, read_order(layout.header, name));
  NpyArray array;
  AZ_ASSIGN_OR_RETURN(array.shape, read_shape(layout.header, name));
  const std::string_view data = bytes.substr(layout.data);
  const auto element = static_cast<size_t>(descr.back() - '0');  // the last character of "<f4" counts bytes
  AZ_ASSIGN_OR_RETURN(const size_t count, count_elements(array.shape, element, data.size(), name));
  array.values = read_elements(descr, data, count);
  if (fortran_order) array.values = to_c_order(array.values, array.shape);
  return array;
}

Status write_npy(const std::string& path, const TensorView& tensor) {
  if (tensor.dtype != DType::f32 || !tensor.is_contiguous()) {
    return invalid_argument("write_npy expected contiguous f32 elements, found " +
                            std::string(to_string(tensor.dtype)));
  }
  std::string shape;
  for (int axis = 0; axis < tensor.shape.rank(); ++axis) shape += std::to_string(tensor.shape[axis]) + ",";
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + shape + "), }";
  constexpr size_t kPrefix = 10;  // magic, version, header length
  header.append(63 - (kPrefix + header.size()) % 64, ' ');
  header += '\n';
  const auto length = static_cast<uint16_t>(header.size());
  std::ofstream file(path, std::ios::binary);
  file.write("\x93NUMPY\x01\x00", 8);
  file.put(static_cast<char>(length & 0xff)).put(static_cast<char>(length >> 8));
  file.write(header.data(), static_cast<std::streamsize>(header.size()));
  file.write(reinterpret_cast<const char*>(tensor.data), static_cast<std::streamsize>(tensor.bytes()));
  file.flush();
  if (file) return ok_status();
  return data_loss("could not write " + path + "; check that the directory exists and the disk has room");
}

}  // namespace azimuth::engine
