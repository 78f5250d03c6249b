#include "quantize/writer.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/float16.h"
#include "formats/safetensors.h"

namespace azimuth::quantize {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kLengthBytes = 8;

// Bytes of a header that, behind its length, ends on a multiple of kAlignment.
uint64_t padded_header(uint64_t bytes) {
  return (kLengthBytes + bytes + kAlignment - 1) / kAlignment * kAlignment - kLengthBytes;
}

std::string shard_name(size_t index, size_t count) {
  if (count == 1) return "model.safetensors";
  char name[64];
  std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", index + 1, count);
  return name;
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

DirectoryWriter::DirectoryWriter(DirectoryWriter&& other) noexcept
    : directory_(std::move(other.directory_)),
      partial_(std::move(other.partial_)),
      options_(other.options_),
      made_(std::exchange(other.made_, false)),
      file_(std::move(other.file_)),
      shards_(std::move(other.shards_)),
      matrix_(other.matrix_),
      total_bytes_(other.total_bytes_) {}

DirectoryWriter::~DirectoryWriter() {
  if (!made_) return;
  file_.reset();
  std::error_code ignored;
  fs::remove_all(partial_, ignored);
}

Result<DirectoryWriter> DirectoryWriter::create(const std::string& directory, const WriterOptions& options) {
  std::string name = directory;
  while (name.size() > 1 && name.ends_with('/')) name.pop_back();
  DirectoryWriter writer(name, options);
  std::error_code error;
  if (fs::exists(name, error) && !(fs::is_directory(name, error) && fs::is_empty(name, error))) {
    return invalid_argument(name + " expected to be a new or an empty directory, found something in its place; " +
                            "remove it or give another name");
  }
  if (fs::exists(writer.partial_, error)) {
    return invalid_argument(name + " expected no " + writer.partial_ +
                            " beside it, found one that a run left behind which was cut short; remove it");
  }
  if (!fs::create_directories(writer.partial_, error)) {
    return invalid_argument("cannot make the directory " + writer.partial_ + ": " + error.message());
  }
  writer.made_ = true;
  return writer;
}

Status DirectoryWriter::failed(const std::string& path) const {
  const int code = errno;
  const std::string reason = "cannot write " + path + ": " + std::strerror(code);
  if (code != ENOSPC && code != EDQUOT) return data_loss(reason);
  return resource_exhausted(reason + " after " + std::to_string(total_bytes_ / 1'000'000) +
                            " MB; free space on the disk or write elsewhere, nothing was left behind");
}

Status DirectoryWriter::open_shard() {
  Shard shard;
  shard.path = (fs::path(partial_) / ("shard-" + std::to_string(shards_.size() + 1))).string();
  shard.metadata = {{"format", "azimuth"},
                    {std::string(kFormatKey), std::to_string(kFormatVersion)},
                    {std::string(kLayoutKey), std::to_string(kLayoutVersion)},
                    {std::string(kTypeKey), std::string(kernels::to_string(options_.type))}};
  file_.reset(std::fopen(shard.path.c_str(), "wbx"));
  if (!file_) return failed(shard.path);
  // The header is written last, into the place that it is given here.
  const uint64_t start = kLengthBytes + padded_header(options_.header_bytes);
  if (std::fseek(file_.get(), static_cast<long>(start), SEEK_SET) != 0) return failed(shard.path);
  shards_.push_back(std::move(shard));
  return ok_status();
}

Status DirectoryWriter::write(std::span<const std::byte> bytes) {
  Shard& shard = shards_.back();
  if (!bytes.empty() && std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) {
    return failed(shard.path);
  }
  shard.bytes += bytes.size();
  total_bytes_ += bytes.size();
  return ok_status();
}

// The next tensor begins on a multiple of kAlignment. The format has no gaps: what lies between is a tensor, too.
Status DirectoryWriter::pad() {
  Shard& shard = shards_.back();
  const uint64_t missing = (kAlignment - shard.bytes % kAlignment) % kAlignment;
  if (missing == 0) return ok_status();
  const std::string name =
      std::string(kPaddingPrefix) + std::to_string(shards_.size()) + "." + std::to_string(shard.entries.size());
  shard.entries.push_back({name, "U8", {static_cast<int64_t>(missing)}, shard.bytes, shard.bytes + missing});
  constexpr std::array<std::byte, kAlignment> kZeros{};
  return write(std::span(kZeros).first(missing));
}

Status DirectoryWriter::start_tensor(const std::string& name, std::string dtype, std::vector<int64_t> shape,
                                     uint64_t bytes) {
  if (!file_ || (shards_.back().bytes > 0 && shards_.back().bytes + bytes > options_.shard_bytes)) {
    if (file_) AZ_RETURN_IF_ERROR(close_shard());
    AZ_RETURN_IF_ERROR(open_shard());
  }
  AZ_RETURN_IF_ERROR(pad());
  Shard& shard = shards_.back();
  shard.entries.push_back({name, std::move(dtype), std::move(shape), shard.bytes, shard.bytes + bytes});
  return ok_status();
}

Status DirectoryWriter::begin_matrices(const std::string& slot, const StoredMatrix& matrix) {
  matrix_ = matrix;
  if (!kernels::is_quantised(matrix.type)) {
    const bool wide = matrix.type == kernels::WeightType::f32;
    const auto elements = static_cast<uint64_t>(matrix.count * matrix.outputs * matrix.inputs);
    AZ_RETURN_IF_ERROR(start_tensor(slot, wide ? "F32" : "BF16", {matrix.count, matrix.outputs, matrix.inputs},
                                    elements * (wide ? 4 : 2)));
  } else {
    const uint64_t bytes = kernels::PackedMatrix::stored_size(matrix.outputs, matrix.inputs, matrix.type);
    AZ_RETURN_IF_ERROR(start_tensor(slot, "U8", {matrix.count, static_cast<int64_t>(bytes)},
                                    bytes * static_cast<uint64_t>(matrix.count)));
  }
  shards_.back().metadata[std::string(kMatrixPrefix) + slot] = matrix.to_string();
  return ok_status();
}

Status DirectoryWriter::add_part(const kernels::PackedMatrix& matrix) {
  if (kernels::is_quantised(matrix.type())) return write(matrix.stored());
  row_.resize(static_cast<size_t>(matrix.inputs()));
  narrow_.resize(row_.size());
  for (int64_t row = 0; row < matrix.outputs(); ++row) {
    matrix.unpack_row(row, row_.data());
    if (matrix.type() == kernels::WeightType::f32) {
      AZ_RETURN_IF_ERROR(write(std::as_bytes(std::span(row_))));
      continue;
    }
    std::transform(row_.begin(), row_.end(), narrow_.begin(), f32_to_bf16);  // exact: it was rounded when packed
    AZ_RETURN_IF_ERROR(write(std::as_bytes(std::span(narrow_))));
  }
  return ok_status();
}

Status DirectoryWriter::add_tensor(const std::string& slot, const TensorView& tensor) {
  std::vector<int64_t> shape;
  for (int axis = 0; axis < tensor.shape.rank(); ++axis) shape.push_back(tensor.shape[axis]);
  const std::string dtype(formats::safetensors_name(tensor.dtype));
  AZ_RETURN_IF_ERROR(start_tensor(slot, dtype, std::move(shape), tensor.bytes()));
  return write({tensor.data, tensor.bytes()});
}

Status DirectoryWriter::add_file(const std::string& name, const std::string& text) {
  const std::string path = (fs::path(partial_) / name).string();
  std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "wbx"));
  if (!file || (!text.empty() && std::fwrite(text.data(), 1, text.size(), file.get()) != text.size())) {
    return failed(path);
  }
  if (std::fclose(file.release()) != 0) return failed(path);
  return ok_status();
}

Result<std::string> DirectoryWriter::header_of(const Shard& shard) const {
  nlohmann::json header = {{"__metadata__", shard.metadata}};
  for (const Entry& entry : shard.entries) {
    header[entry.name] = {{"dtype", entry.dtype}, {"shape", entry.shape}, {"data_offsets", {entry.begin, entry.end}}};
  }
  std::string text = header.dump();
  const uint64_t room = padded_header(options_.header_bytes);
  if (text.size() > room) {
    return internal_error("the header of " + shard.path + " expected at most " + std::to_string(room) +
                          " bytes, found " + std::to_string(text.size()));
  }
  text.resize(room, ' ');
  return text;
}

Status DirectoryWriter::close_shard() {
  const Shard& shard = shards_.back();
  AZ_ASSIGN_OR_RETURN(const std::string header, header_of(shard));
  std::array<std::byte, kLengthBytes> length{};
  for (size_t i = 0; i < length.size(); ++i) length[i] = static_cast<std::byte>(uint64_t{header.size()} >> (8 * i));
  std::FILE* const file = file_.get();
  const std::span<const std::byte> text = bytes_of(header);
  if (std::fseek(file, 0, SEEK_SET) != 0 || std::fwrite(length.data(), 1, length.size(), file) != length.size() ||
      std::fwrite(text.data(), 1, text.size(), file) != text.size() || std::fflush(file) != 0 ||
      ::fsync(::fileno(file)) != 0 || std::fclose(file_.release()) != 0) {
    return failed(shard.path);
  }
  return ok_status();
}

// Gives the files the names that checkpoints have, with an index where there are several.
Status DirectoryWriter::name_shards() {
  nlohmann::json weight_map = nlohmann::json::object();
  for (size_t i = 0; i < shards_.size(); ++i) {
    const std::string name = shard_name(i, shards_.size());
    std::error_code error;
    fs::rename(shards_[i].path, fs::path(partial_) / name, error);
    if (error) return data_loss("cannot rename " + shards_[i].path + " to " + name + ": " + error.message());
    for (const Entry& entry : shards_[i].entries) weight_map[entry.name] = name;
  }
  if (shards_.size() == 1) return ok_status();
  const nlohmann::json index = {{"metadata", {{"total_size", total_bytes_}}}, {"weight_map", weight_map}};
  return add_file("model.safetensors.index.json", index.dump(1));
}

Status DirectoryWriter::finish() {
  if (!file_) AZ_RETURN_IF_ERROR(open_shard());
  AZ_RETURN_IF_ERROR(close_shard());
  AZ_RETURN_IF_ERROR(name_shards());
  std::error_code error;
  fs::rename(partial_, directory_, error);  // also over an empty directory
  if (error) return data_loss("cannot rename " + partial_ + " to " + directory_ + ": " + error.message());
  made_ = false;
  return ok_status();
}

}  // namespace azimuth::quantize
