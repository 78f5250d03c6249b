#include "score/setting.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <vector>

#include "engine/model.h"

namespace azimuth::scoring {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kVersion = 1;  // of what scores mean
constexpr uint64_t kWhole = uint64_t{16} << 20;
constexpr uint64_t kStep = uint64_t{1} << 20;
constexpr size_t kTaken = 4096;
const std::set<std::string> kExtensions = {".json", ".txt", ".jinja", ".model", ".safetensors"};

Status add_file(const fs::path& path, uint64_t size, ContentHasher& hasher) {
  std::ifstream file(path, std::ios::binary);
  const uint64_t step = size <= kWhole ? kTaken : kStep;
  std::vector<char> part(kTaken);
  for (uint64_t offset = 0; offset < size; offset += step) {
    const uint64_t count = std::min<uint64_t>(kTaken, size - offset);
    file.seekg(static_cast<std::streamoff>(offset));
    if (!file.read(part.data(), static_cast<std::streamsize>(count))) {
      return data_loss(path.string() + " expected " + std::to_string(size) + " bytes, found fewer");
    }
    hasher.text({part.data(), static_cast<size_t>(count)});
  }
  return ok_status();
}

}  // namespace

std::string hex(const ContentHash& hash, size_t digits) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < digits; ++i) out += kDigits[hash.bytes[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
  return out;
}

Result<ContentHash> checkpoint_hash(const std::string& directory) {
  std::error_code error;
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
    if (entry.is_regular_file(error) && kExtensions.contains(entry.path().extension().string()))
      files.push_back(entry.path());
  }
  std::ranges::sort(files);
  ContentHasher hasher("checkpoint");
  for (const fs::path& path : files) {
    const uint64_t size = fs::file_size(path, error);
    if (error) return data_loss(path.string() + " expected to be readable, found that it is not: " + error.message());
    hasher.text(path.filename().string());
    hasher.number(static_cast<int64_t>(size));
    AZ_RETURN_IF_ERROR(add_file(path, size, hasher));
  }
  return hasher.finish();
}

Result<std::string> setting_name(const Engine& engine, const ScoreFileOptions& options) {
  const Engine::Impl& model = engine.impl();
  AZ_ASSIGN_OR_RETURN(const ContentHash checkpoint, checkpoint_hash(model.directory));
  ContentHasher hasher("setting of scores");
  hasher.number(kVersion);
  hasher.hash(checkpoint);
  hasher.text(model.options.dtype);
  hasher.number(static_cast<int64_t>(model.cache));
  hasher.number(static_cast<int64_t>(model.options.compat));
  hasher.text(model.options.resize);
  hasher.number(model.options.apply_orientation ? 1 : 0);
  hasher.text(options.positions);
  hasher.values(std::span(&options.score.temperature, 1));
  hasher.number(options.score.top);
  return hex(hasher.finish(), 16);
}

}  // namespace azimuth::scoring
