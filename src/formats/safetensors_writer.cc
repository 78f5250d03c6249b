#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "formats/safetensors.h"

namespace azimuth::formats {
namespace {

constexpr size_t kAlign = 8;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

Status check(const NamedTensor& tensor) {
  if (tensor.name.empty() || tensor.name == "__metadata__") {
    return invalid_argument("safetensors expected a tensor name other than \"\" and \"__metadata__\", found \"" +
                            tensor.name + "\"");
  }
  if (!tensor.view.is_contiguous()) {
    return invalid_argument("safetensors expected contiguous elements, found gaps in tensor " + tensor.name);
  }
  return ok_status();
}

// Largest elements first: each tensor then begins at a multiple of its own element size.
Result<std::vector<const NamedTensor*>> in_file_order(std::span<const NamedTensor> tensors) {
  std::vector<const NamedTensor*> order;
  for (const NamedTensor& tensor : tensors) {
    AZ_RETURN_IF_ERROR(check(tensor));
    order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(), [](const NamedTensor* a, const NamedTensor* b) {
    const size_t size_a = size_of(a->view.dtype), size_b = size_of(b->view.dtype);
    return size_a != size_b ? size_a > size_b : a->name < b->name;
  });
  return order;
}

Result<std::string> header_text(const std::vector<const NamedTensor*>& order,
                                const std::map<std::string, std::string>& metadata) {
  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const NamedTensor* tensor : order) {
    if (header.contains(tensor->name)) {
      return invalid_argument("safetensors expected unique names, found " + tensor->name + " twice");
    }
    std::vector<int64_t> shape;
    for (int axis = 0; axis < tensor->view.shape.rank(); ++axis) shape.push_back(tensor->view.shape[axis]);
    const uint64_t end = offset + tensor->view.bytes();
    header[tensor->name] = {
        {"dtype", safetensors_name(tensor->view.dtype)}, {"shape", shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    return invalid_argument("safetensors expected names and metadata in UTF-8, found other bytes");
  }
  text.resize((text.size() + kAlign - 1) / kAlign * kAlign, ' ');
  return text;
}

bool write_bytes(std::FILE* file, const void* data, size_t bytes) {
  return bytes == 0 || std::fwrite(data, 1, bytes, file) == bytes;
}

bool write_all(std::FILE* file, const std::string& header, const std::vector<const NamedTensor*>& order) {
  std::array<unsigned char, 8> length{};
  for (size_t i = 0; i < length.size(); ++i) length[i] = static_cast<unsigned char>(uint64_t{header.size()} >> (8 * i));
  if (!write_bytes(file, length.data(), length.size()) || !write_bytes(file, header.data(), header.size()))
    return false;
  for (const NamedTensor* tensor : order) {
    if (!write_bytes(file, tensor->view.data, tensor->view.bytes())) return false;
  }
  return std::fflush(file) == 0;
}

}  // namespace

Status write_safetensors(const std::string& path, std::span<const NamedTensor> tensors,
                         const std::map<std::string, std::string>& metadata) {
  AZ_ASSIGN_OR_RETURN(const auto order, in_file_order(tensors));
  AZ_ASSIGN_OR_RETURN(const std::string header, header_text(order, metadata));
  const std::string partial = path + ".partial";
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(partial.c_str(), "wb"));
  if (!file) return data_loss("cannot create " + partial + ": " + std::strerror(errno));
  if (!write_all(file.get(), header, order) || std::rename(partial.c_str(), path.c_str()) != 0) {
    const std::string reason = std::strerror(errno);
    std::remove(partial.c_str());
    return data_loss("cannot write " + path + ": " + reason);
  }
  return ok_status();
}

}  // namespace azimuth::formats
