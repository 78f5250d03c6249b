// From a file of samples to a file of scores.
#include <algorithm>

#include "azimuth/score.h"
#include "engine/model.h"
#include "score/run.h"
#include "score/samples_file.h"
#include "score/scores_file.h"
#include "score/setting.h"

namespace azimuth {
namespace {

using scoring::SampleLine;
using scoring::SamplesFile;
using scoring::ScoresFile;

constexpr size_t kWindow = 256;  // samples that are in memory at a time

class FileRun {
 public:
  FileRun(const Engine& engine, const SamplesFile& samples, ScoresFile& scores, const std::vector<std::string>& keys,
          const ScoreFileOptions& options, const ScoreCallbacks& callbacks)
      : engine_(engine),
        samples_(samples),
        scores_(scores),
        keys_(keys),
        options_(options),
        callbacks_(callbacks),
        count_(samples.lines().size()) {}

  Result<ScoreFileReport> run() {
    report_.samples = static_cast<int64_t>(count_);
    report_.reused = scores_.reused();
    for (size_t i = 0; i < count_; ++i) {
      if (!scores_.has(i)) open_.push_back(i);
    }
    if (!options_.score.keep_going) AZ_RETURN_IF_ERROR(for_windows("checking"));
    AZ_RETURN_IF_ERROR(scores_.append_kept());
    AZ_RETURN_IF_ERROR(for_windows("scoring"));
    AZ_RETURN_IF_ERROR(scores_.finish());
    return report_;
  }

 private:
  // Checks or scores what is not there, some samples at a time.
  Status for_windows(const std::string& stage) {
    for (size_t begin = 0; begin < open_.size(); begin += kWindow) {
      const size_t end = std::min(open_.size(), begin + kWindow);
      std::vector<ScoreSample> window;
      std::vector<std::string> names;
      for (size_t k = begin; k < end; ++k) {
        AZ_ASSIGN_OR_RETURN(ScoreSample sample, samples_.read(samples_.lines()[open_[k]]));
        if (sample.request.positions.empty()) sample.request.positions = options_.positions;
        window.push_back(std::move(sample));
        names.push_back(samples_.where(samples_.lines()[open_[k]]));
      }
      ScoreCallbacks callbacks = callbacks_;
      if (callbacks_.on_progress) {
        callbacks.on_progress = [&](std::string_view inner, double fraction) {
          if (inner != stage) return;  // what was checked is checked again as it is scored
          const double done = static_cast<double>(begin) + fraction * static_cast<double>(end - begin);
          callbacks_.on_progress(stage, done / static_cast<double>(open_.size()));
        };
      }
      callbacks.on_sample = [&](size_t index, const SampleScore& score) { return write(open_[begin + index], score); };
      const Status status = stage == "checking"
                                ? scoring::check_samples(engine_, window, names, options_.score, callbacks)
                                : scoring::run_samples(engine_, window, names, options_.score, callbacks).status();
      if (!status.ok()) return status;
    }
    return ok_status();
  }

  Status write(size_t index, const SampleScore& score) {
    const SampleLine& line = samples_.lines()[index];
    AZ_RETURN_IF_ERROR(scores_.append(scoring::line_of_score(line, keys_[index], score)));
    ++report_.scored;
    report_.failed += score.status.ok() ? 0 : 1;
    report_.prompt_tokens += score.prompt_tokens;
    report_.completion_tokens += static_cast<int64_t>(score.completion_ids.size());
    report_.shared_tokens += score.shared_tokens;
    report_.shared_media += score.shared_media;
    if (callbacks_.on_sample) AZ_RETURN_IF_ERROR(callbacks_.on_sample(index, score));
    return scores_.append_kept();
  }

  const Engine& engine_;
  const SamplesFile& samples_;
  ScoresFile& scores_;
  const std::vector<std::string>& keys_;
  const ScoreFileOptions& options_;
  const ScoreCallbacks& callbacks_;
  size_t count_;
  std::vector<size_t> open_;  // samples without a line
  ScoreFileReport report_;
};

}  // namespace

Result<ScoreFileReport> score_file(const Engine& engine, const std::string& in, const std::string& out,
                                   const ScoreFileOptions& options, const ScoreCallbacks& callbacks) {
  AZ_ASSIGN_OR_RETURN(const SamplesFile samples, SamplesFile::open(in, engine.impl().spec.prompt));
  AZ_ASSIGN_OR_RETURN(const std::string setting, scoring::setting_name(engine, options));
  std::vector<std::string> keys;
  for (const SampleLine& line : samples.lines()) keys.push_back(setting + "-" + scoring::hex(line.content, 32));
  AZ_ASSIGN_OR_RETURN(ScoresFile scores, ScoresFile::open(out, samples.lines(), keys));
  return FileRun(engine, samples, scores, keys, options, callbacks).run();
}

}  // namespace azimuth
