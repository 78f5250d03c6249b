#include "engine/question_bench.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "azimuth/session.h"
#include "engine/model.h"

namespace azimuth::engine {
namespace {

// The picture as a BMP file with 24 bits a pixel, bottom row first.
std::string bmp_file(const media::Image& image) {
  constexpr uint32_t kHeaderBytes = 54;
  const auto row_bytes = static_cast<uint32_t>((3 * image.width + 3) / 4 * 4);
  const uint32_t pixel_bytes = row_bytes * static_cast<uint32_t>(image.height);
  std::string file = "BM";
  const auto put = [&file](uint32_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) file += static_cast<char>(value >> (8 * i) & 0xff);
  };
  for (const uint32_t value : {kHeaderBytes + pixel_bytes, 0u, kHeaderBytes, 40u, static_cast<uint32_t>(image.width),
                               static_cast<uint32_t>(image.height)}) {
    put(value, 4);
  }
  put(1, 2);   // planes
  put(24, 2);  // bits a pixel
  for (const uint32_t value : {0u, pixel_bytes, 0u, 0u, 0u, 0u}) put(value, 4);
  for (int64_t y = image.height - 1; y >= 0; --y) {
    const uint8_t* const row = image.rgb.data() + y * image.width * 3;
    for (int64_t x = 0; x < image.width; ++x) {
      for (int64_t c = 2; c >= 0; --c) file += static_cast<char>(row[x * 3 + c]);
    }
    file.append(row_bytes - static_cast<size_t>(3 * image.width), '\0');
  }
  return file;
}

// A file that is there as long as this is.
class TemporaryFile {
 public:
  TemporaryFile() = default;
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (!path_.empty()) unlink(path_.c_str());
  }

  Status write(const std::string& bytes) {
    std::error_code failure;
    path_ = (std::filesystem::temp_directory_path(failure) / "azimuth-bench-XXXXXX").string();
    const int handle = failure ? -1 : mkstemp(path_.data());
    if (handle < 0) {
      path_.clear();
      return resource_exhausted(
          "bench expected to write its picture into the directory for temporary files, which failed");
    }
    close(handle);
    std::ofstream file(path_, std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return file.flush() ? ok_status() : resource_exhausted("bench could not write its picture to " + path_);
  }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Request question(const std::string& picture, const std::string& policy, const std::string& text) {
  Request request;
  request.messages = nlohmann::json::array(
                         {{{"role", "user"},
                           {"content", {{{"type", "image"}, {"image", picture}}, {{"type", "text"}, {"text", text}}}}}})
                         .dump();
  request.positions = policy;
  return request;
}

struct Asked {
  double seconds = 0.0;
  int64_t new_tokens = 0;
};

// Asks in a session of its own.
Result<Asked> ask(const Engine& engine, const Request& request) {
  GenerateOptions options;
  options.max_new_tokens = 1;
  options.temperature = 0.0;
  Session session(engine);
  const auto start = std::chrono::steady_clock::now();
  AZ_ASSIGN_OR_RETURN(const Generation answer, session.generate(request, options));
  return Asked{std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
               answer.prompt_tokens - answer.cached_tokens};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

Result<QuestionTimes> bench_questions(const Engine& engine, const media::Image& picture, const std::string& policy,
                                      int repetitions) {
  TemporaryFile file;
  AZ_RETURN_IF_ERROR(file.write(bmp_file(picture)));
  const Request first = question(file.path(), policy, "What is in the picture?");
  const Request second = question(file.path(), policy, "How many things are there?");
  std::vector<double> first_seconds;
  std::vector<double> second_seconds;
  QuestionTimes times;
  for (int i = 0; i <= repetitions; ++i) {
    engine.impl().features->clear();
    engine.impl().prefixes->clear();
    AZ_ASSIGN_OR_RETURN(const Asked one, ask(engine, first));
    AZ_ASSIGN_OR_RETURN(const Asked two, ask(engine, second));
    times.second_new_tokens = two.new_tokens;
    if (i == 0) continue;
    first_seconds.push_back(one.seconds);
    second_seconds.push_back(two.seconds);
  }
  times.first_s = median(std::move(first_seconds));
  times.second_s = median(std::move(second_seconds));
  return times;
}

}  // namespace azimuth::engine
