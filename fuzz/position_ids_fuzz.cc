// Any bytes as a file of position ids, .npy or JSON. What is read has as many ids as its axes say.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "azimuth/position_ids.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto samples = azimuth::parse_position_ids(bytes, "input");
  if (!samples.ok()) return 0;
  for (const azimuth::PositionIds& ids : *samples) {
    for (const azimuth::PositionIdSet& set : ids.sets) {
      if (set.axes < 1 || set.ids.size() % static_cast<size_t>(set.axes) != 0) std::abort();
    }
  }
  return 0;
}
