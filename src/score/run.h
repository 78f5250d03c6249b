// The run behind score() and score_file(): samples with the names that errors call them by.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "azimuth/score.h"

namespace azimuth::scoring {

// `names`: one for each sample.
Result<std::vector<SampleScore>> run_samples(const Engine& engine, std::span<const ScoreSample> samples,
                                             std::vector<std::string> names, const ScoreOptions& options,
                                             const ScoreCallbacks& callbacks);
// The part of it that comes before the model runs.
Status check_samples(const Engine& engine, std::span<const ScoreSample> samples, std::vector<std::string> names,
                     const ScoreOptions& options, const ScoreCallbacks& callbacks);

}  // namespace azimuth::scoring
