// Feeds one fuzz target, linked beside this file, with its seeds and with damaged copies of them. What libFuzzer finds
// in hours is not repeated here; what it once found stays found.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/mmap.h"
#include "base/rng.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace azimuth {
namespace {

std::vector<std::string> seeds() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(AZIMUTH_CORPUS)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::string contents(const std::string& path) {
  auto text = read_file(path, 1 << 20);
  EXPECT_TRUE(text.ok()) << text.status().message();
  return text.ok() ? std::move(text).value() : std::string();
}

// A copy on the heap of exactly this size, so that the address sanitizer sees reads past the end.
void feed(std::string_view input) {
  const std::vector<uint8_t> copy(input.begin(), input.end());
  EXPECT_EQ(LLVMFuzzerTestOneInput(copy.data(), copy.size()), 0);
}

TEST(Corpus, HasSeeds) {
  EXPECT_GE(seeds().size(), 3u) << AZIMUTH_CORPUS;
}

TEST(Corpus, EverySeedIsSurvived) {
  for (const std::string& path : seeds()) feed(contents(path));
}

TEST(Corpus, EverySeedCutShortIsSurvived) {
  constexpr size_t kCuts = 64;  // per seed, spread evenly
  for (const std::string& path : seeds()) {
    const std::string whole = contents(path);
    const size_t step = std::max<size_t>(1, whole.size() / kCuts);
    for (size_t size = 0; size < whole.size(); size += step) feed(std::string_view(whole).substr(0, size));
  }
}

TEST(Corpus, EverySeedWithDamagedBytesIsSurvived) {
  constexpr uint64_t kCopies = 64;  // per seed
  for (const std::string& path : seeds()) {
    const std::string whole = contents(path);
    for (uint64_t copy = 0; copy < kCopies && !whole.empty(); ++copy) {
      std::string damaged = whole;
      for (uint64_t change = 0; change < 4; ++change) {
        const auto at = static_cast<size_t>(uniform(1, copy, 2 * change) * static_cast<double>(whole.size()));
        damaged[at] = static_cast<char>(uniform(1, copy, 2 * change + 1) * 256);
      }
      feed(damaged);
    }
  }
}

}  // namespace
}  // namespace azimuth
