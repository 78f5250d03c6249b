#include "sampling/stop.h"

#include <algorithm>
#include <utility>

namespace azimuth::sampling {

StopStringMatcher::StopStringMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {
  held_.reserve(kTextRoom);
}

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
  held_.erase(0, shown_);
  const size_t before = held_.size();
  held_ += text;
  const std::string_view held = held_;
  for (size_t end = before + 1; end <= held.size(); ++end) {
    if (const auto match = match_at(end)) return {held.substr(0, end - stops_[*match].size()), match};
  }
  shown_ = held.size() - possible_start();
  return {held.substr(0, shown_), std::nullopt};
}

std::string StopStringMatcher::flush() {
  held_.erase(0, std::exchange(shown_, 0));
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
      matcher_(params.stop_strings) {
  text_.reserve(kTextRoom);
}

StopDetector::Step StopDetector::push(int32_t id, std::string_view text) {
  ++tokens_;
  const bool may_stop = tokens_ > min_new_tokens_;
  if (may_stop && std::find(stop_ids_.begin(), stop_ids_.end(), id) != stop_ids_.end()) {
    text_ = matcher_.flush();
    return {text_, FinishReason::stop_id, -1};
  }
  text_ = text;
  if (may_stop) {
    const StopStringMatcher::Piece piece = matcher_.push(text);
    text_ = piece.text;
    if (piece.match) return {text_, FinishReason::stop_string, *piece.match};
  }
  if (tokens_ < max_new_tokens_) return {text_};
  text_ += matcher_.flush();
  return {text_, FinishReason::length, -1};
}

}  // namespace azimuth::sampling
