// Hidden rows on their way through the head: in blocks, so that there is never a logit of every token and every row.
#pragma once

#include <string>
#include <vector>

#include "azimuth/score.h"
#include "engine/model.h"
#include "sampling/logprobs.h"
#include "spec/run_context.h"

namespace azimuth::scoring {

// A token whose probability a row says.
struct Wanted {
  SampleScore* score = nullptr;
  size_t token = 0;                   // index in the completion
  const std::string* name = nullptr;  // of the sample, for errors
};

class Head {
 public:
  static constexpr int64_t kMostRows = 128;

  // `bytes`: for a block of logits; at least one row is taken at a time.
  Head(const Engine::Impl& model, const ScoreOptions& options, int64_t bytes, const RunContext& context);

  // A row [hidden] before the final norm, of token `index` of its sequence, and what is to be read off it. The row is
  // copied.
  Status add(const float* hidden, int64_t index, std::vector<Wanted> wanted);
  // Writes what is still to be written. Errors: the sample whose logits have no distribution; cancelled.
  Status flush();

 private:
  struct Row {
    int64_t index = 0;
    std::vector<Wanted> wanted;
  };

  const Engine::Impl& model_;
  const ScoreOptions& options_;
  const RunContext& context_;
  int64_t most_rows_;
  std::vector<float> hidden_;  // [rows, hidden]
  std::vector<Row> rows_;
};

}  // namespace azimuth::scoring
