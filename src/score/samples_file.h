// The samples of `azimuth score`: a JSONL file, one sample a line (docs/scoring.md).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "azimuth/score.h"
#include "base/content_hash.h"
#include "spec/prompt_spec.h"

namespace azimuth::scoring {

// A line of the file, which stays there until its sample is wanted.
struct SampleLine {
  int64_t number = 0;  // counted from 1
  uint64_t offset = 0;
  size_t bytes = 0;
  std::string id;       // as JSON: "1" and 1 are two
  ContentHash content;  // of the line without its id, and of the files that it names
};

struct SampleLimits {
  size_t line_bytes = size_t{256} << 20;
  size_t lines = size_t{1} << 26;
};

class SamplesFile {
 public:
  // Reads every line and every file that one names; blank lines are passed over. Errors: not_found; the number of the
  // line that is no JSON object, lacks a key, has one of a wrong type, has no file where it names one, or repeats an
  // id (both lines).
  static Result<SamplesFile> open(const std::string& path, const PromptSpec& spec, const SampleLimits& limits = {});

  const std::string& path() const { return path_; }
  const std::vector<SampleLine>& lines() const { return lines_; }
  // How errors call the sample of a line: "samples.jsonl:3 ("id")".
  std::string where(const SampleLine& line) const;
  // The sample of one line, with paths relative to the file. data_loss where the file is another one by now.
  Result<ScoreSample> read(const SampleLine& line) const;

 private:
  explicit SamplesFile(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::vector<SampleLine> lines_;
};

// The sample of a line's text; `where` starts every error. Unknown keys are added to `unknown`, with the `where` of the
// first one.
Result<ScoreSample> parse_sample(std::string_view text, const std::string& where,
                                 std::map<std::string, std::string>* unknown = nullptr);

}  // namespace azimuth::scoring
