#include "engine/npy.h"

#include <fstream>

namespace azimuth::engine {

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
