#include "prompt/prompt_limits.h"

#include <string>

namespace azimuth::prompt {

std::vector<std::pair<int64_t, int64_t>> closed_regions(const Prompt& prompt, ClosedRegions kind) {
  std::vector<std::pair<int64_t, int64_t>> regions;
  if (kind == ClosedRegions::whole_prompt && !prompt.ids.empty()) {
    regions.emplace_back(0, static_cast<int64_t>(prompt.ids.size()));
  }
  if (kind != ClosedRegions::media_spans) return regions;
  for (const Span& span : prompt.spans) {
    if (span.kind != SpanKind::text) regions.emplace_back(span.begin, span.end);
  }
  return regions;
}

Status check_context(size_t tokens, int64_t context_tokens) {
  if (context_tokens <= 0 || static_cast<int64_t>(tokens) <= context_tokens) return ok_status();
  return resource_exhausted("the prompt has " + std::to_string(tokens) + " tokens, but the model's context holds " +
                            std::to_string(context_tokens) + "; shorten the text or give fewer or smaller images");
}

}  // namespace azimuth::prompt
