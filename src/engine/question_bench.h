// What a second question about the same picture costs.
#pragma once

#include <string>

#include "azimuth/engine.h"
#include "azimuth/status.h"
#include "media/image.h"

namespace azimuth::engine {

// From the request to the first token of the answer.
struct QuestionTimes {
  double first_s = 0.0;   // with nothing remembered
  double second_s = 0.0;  // another question about the same picture, in another session
  int64_t second_new_tokens = 0;
};

// Medians of `repetitions` after a warm-up. Forgets what the engine remembers.
Result<QuestionTimes> bench_questions(const Engine& engine, const media::Image& picture, const std::string& policy,
                                      int repetitions);

}  // namespace azimuth::engine
