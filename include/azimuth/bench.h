// Per-stage speed of a model on this machine.
#pragma once

#include <string>

#include "azimuth/engine.h"
#include "azimuth/status.h"

namespace azimuth {

struct BenchOptions {
  int64_t prompt_tokens = 256;
  int64_t generated_tokens = 32;
  int64_t image_width = 0;  // 0: no picture
  int64_t image_height = 0;
  std::string positions;  // policy; "": the checkpoint's own
  int repetitions = 3;    // after one warm-up; medians are reported
};

struct BenchReport {
  double preprocess_ms = 0.0;
  double vision_ms = 0.0;
  int64_t vision_patches = 0;
  double prefill_tok_s = 0.0;
  double decode_tok_s = 0.0;
  double peak_rss_mb = 0.0;  // of the stages above
  // From a question about the picture to the first token of its answer, with nothing remembered, and of another
  // question about the same picture in another session, with what the engine remembers of it. 0 without a picture, or
  // where the model takes no such request.
  double first_question_ms = 0.0;
  double second_question_ms = 0.0;
  int64_t second_question_new_tokens = 0;
  std::string cpu;
};

// Forgets what the engine remembers of earlier requests.
Result<BenchReport> bench(const Engine& engine, const BenchOptions& options = {});

}  // namespace azimuth
