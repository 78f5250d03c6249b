#include "sampling/stop.h"

#include <algorithm>
#include <utility>

namespace azimuth::sampling {

std::optional<int> StopStringMatcher::match_at(size_t end) const {
  const std::string_view text = std::string_view(held_).substr(0, end);
  std::optional<int> best;
  for (size_t i = 0; i < stops_.size(); ++i) {
    if (text.ends_with(stops_[i]) && (!best || stops_[i].size() > stops_[*best].size())) best = static_cast<int>(i);
  }
  return best;
}

size_t StopStringMatcher::possible_start() const {
  size_t longest = 0;
  for (const std::string& stop : stops_) longest = std::max(longest, stop.size());
  for (size_t length = std::min(longest, held_.size()); length > 0; --length) {
    const std::string_view tail = std::string_view(held_).substr(held_.size() - length);
    for (const std::string& stop : stops_) {
      if (std::string_view(stop).starts_with(tail)) return length;
    }
  }
  return 0;
}

StopStringMatcher::Piece StopStringMatcher::push(std::string_view text) {
  const size_t before = held_.size();
  held_ += text;
  for (size_t end = before + 1; end <= held_.size(); ++end) {
    if (const auto match = match_at(end)) return {held_.substr(0, end - stops_[*match].size()), match};
  }
  const size_t safe = held_.size() - possible_start();
  Piece piece{held_.substr(0, safe), std::nullopt};
  held_.erase(0, safe);
  return piece;
}

std::string StopStringMatcher::flush() {
  return std::exchange(held_, std::string());
}

std::string_view to_string(FinishReason reason) {
  switch (reason) {
    case FinishReason::none: return "";
    case FinishReason::stop_id:
    case FinishReason::stop_string: return "stop";
    case FinishReason::length: return "length";
  }
  return "";
}

StopDetector::StopDetector(const SamplingParams& params)
    : stop_ids_(params.stop_ids),
      max_new_tokens_(params.max_new_tokens),
      min_new_tokens_(params.min_new_tokens),
      matcher_(params.stop_strings) {}

StopDetector::Step StopDetector::push(int32_t id, std::string_view text) {
  ++tokens_;
  const bool may_stop = tokens_ > min_new_tokens_;
  if (may_stop && std::find(stop_ids_.begin(), stop_ids_.end(), id) != stop_ids_.end()) {
    return {matcher_.flush(), FinishReason::stop_id, -1};
  }
  Step step;
  if (may_stop) {
    StopStringMatcher::Piece piece = matcher_.push(text);
    step.text = std::move(piece.text);
    if (piece.match) return {std::move(step.text), FinishReason::stop_string, *piece.match};
  } else {
    step.text = text;
  }
  if (tokens_ >= max_new_tokens_) {
    step.text += matcher_.flush();
    step.reason = FinishReason::length;
  }
  return step;
}

}  // namespace azimuth::sampling
