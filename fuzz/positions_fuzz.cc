// Any text as a policy (first line), a prompt in segments (second line) and rope_parameters (the rest), laid out as
// `azimuth layout` does.
#include <cstdint>
#include <string>
#include <string_view>

#include "azimuth/positions.h"

namespace {

std::string take_line(std::string_view& text) {
  const size_t end = text.find('\n');
  const std::string line(text.substr(0, end));
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string policy = take_line(text);
  const std::string segments = take_line(text);
  const auto spans = azimuth::parse_segments(segments);
  if (!spans.ok()) return 0;
  constexpr int64_t kEnough = 20'000;  // tokens; more only take time
  if (!spans->empty() && spans->back().end > kEnough) return 0;
  azimuth::HeadOptions head;
  head.head_dim = 16;
  head.scaling = std::string(text);
  const auto layout = azimuth::layout_spans(policy, *spans, head);
  if (!layout.ok()) return 0;
  // What is handed out holds to its own rules.
  const int64_t tokens = spans->empty() ? 0 : spans->back().end;
  if (!layout->positions.validate(tokens).ok()) __builtin_trap();
  return 0;
}
