// When generated text ends, and how much of it may already be shown.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sampling/params.h"

namespace azimuth::sampling {

// Bytes that are kept free for text: more than a token of any vocabulary has, so that no token asks for memory.
inline constexpr size_t kTextRoom = 512;

// Looks for stop strings in text that arrives in pieces, and never lets a part of one through. The outcome does not
// depend on how the text was cut: the match that ends first wins, among those the longest.
class StopStringMatcher {
 public:
  explicit StopStringMatcher(std::vector<std::string> stops);

  struct Piece {
    std::string_view text;     // safe to show; ends before the stop string; valid until the next call
    std::optional<int> match;  // index of the stop string; afterwards the matcher must not be used
  };

  // Takes more text and returns what cannot be part of a stop string any more.
  Piece push(std::string_view text);
  // The text that was held back for a stop string that did not come.
  std::string flush();

 private:
  // Index of the longest stop string that ends at `end` of held_.
  std::optional<int> match_at(size_t end) const;
  // Length of the longest end of held_ that a stop string begins with.
  size_t possible_start() const;

  std::vector<std::string> stops_;
  std::string held_;
  size_t shown_ = 0;  // bytes of held_ that the last piece was
};

enum class FinishReason { none, stop_id, stop_string, length };
std::string_view to_string(FinishReason reason);  // OpenAI's words: "", "stop", "stop", "length"

// The rules of SamplingParams for one request.
class StopDetector {
 public:
  explicit StopDetector(const SamplingParams& params);

  struct Step {
    std::string_view text;  // to show now; valid until the next call
    FinishReason reason = FinishReason::none;
    int stop_string = -1;  // index, where reason is stop_string
  };

  // Takes the next generated token and the text that the detokenizer released for it (not shown for a stop id). Once a
  // step has a reason, generation is over and its text is the last.
  Step push(int32_t id, std::string_view text);
  // The text still held back, for a request that ends for another reason (cancelled).
  std::string flush() { return matcher_.flush(); }

  int64_t tokens() const { return tokens_; }

 private:
  std::vector<int32_t> stop_ids_;
  int64_t max_new_tokens_;
  int64_t min_new_tokens_;
  StopStringMatcher matcher_;
  std::string text_;  // of the last step
  int64_t tokens_ = 0;
};

}  // namespace azimuth::sampling
