// Any text as a line of samples and as a line of scores. A sample that is read has one completion; a line of scores
// that is read can be found again by its id and key.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "score/samples_file.h"
#include "score/scores_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto sample = azimuth::scoring::parse_sample(text, "input");
  if (sample.ok() && sample->completion_ids && !sample->completion.empty()) std::abort();
  const auto line = azimuth::scoring::parse_scored_line(text, "input");
  if (line.ok() && (line->id.empty() || text.find("key") == std::string_view::npos)) {
    // The word may be spelt with escapes.
    if (text.find("\\u") == std::string_view::npos) std::abort();
  }
  return 0;
}
