// Any bytes as a safetensors file: opened, and every tensor that it admits to read to its end.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "formats/safetensors.h"
#include "quantize/format.h"

namespace {

using namespace azimuth;

// A file in memory, reused by all inputs.
int memory_file() {
  static const int fd = ::memfd_create("azimuth_fuzz", 0);
  return fd;
}

bool fill_memory_file(const uint8_t* data, size_t size) {
  const int fd = memory_file();
  return fd >= 0 && ::ftruncate(fd, 0) == 0 && ::pwrite(fd, data, size, 0) == static_cast<ssize_t>(size);
}

void require(bool condition) {
  if (!condition) std::abort();
}

void read_tensor(const formats::SafeTensors& file, const formats::TensorEntry& entry) {
  require(entry.begin <= entry.end && entry.end <= file.data_bytes());
  const auto view = file.tensor(entry.name);
  if (!view.ok()) return;
  require(view->bytes() == entry.end - entry.begin);
  volatile unsigned sum = 0;
  for (size_t i = 0; i < view->bytes(); ++i) sum = sum + std::to_integer<unsigned>(view->data[i]);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (!fill_memory_file(data, size)) return 0;
  const auto file = formats::SafeTensors::open("/proc/self/fd/" + std::to_string(memory_file()));
  if (!file.ok()) return 0;
  for (const formats::TensorEntry& entry : file->entries()) read_tensor(*file, entry);
  // What a quantised directory says of its matrices.
  for (const auto& [key, value] : file->metadata()) {
    const auto matrix = quantize::StoredMatrix::parse(value);
    require(!matrix || matrix->to_string() == value || value.find_first_of("+0") != std::string::npos);
  }
  return 0;
}
