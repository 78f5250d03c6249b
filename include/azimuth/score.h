// Scoring: the log-probability of every token of given completions, as trainers and evaluations need it.
// docs/scoring.md has the whole of it, with the files that `azimuth score` reads and writes.
//
// What depends on what: the numbers of a sample depend on the model, its type of weights, the sample and the
// temperature. They are the same bits whatever the batch, the order, the memory, the threads and what was shared.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "azimuth/engine.h"
#include "azimuth/session.h"
#include "azimuth/status.h"

namespace azimuth {

// A prompt and what is said behind it.
struct ScoreSample {
  std::string id;   // names the sample in errors, beside its index; may be empty
  Request request;  // the prompt: messages or text, with any number of pictures and videos, positions, hooks
  // Either a text, which is tokenised by itself, as it stands: no special token is recognised in it, and nothing is put
  // around it, no end-of-text token either; or the ids. An empty completion has empty results.
  std::string completion;
  std::optional<std::vector<int32_t>> completion_ids;
};

struct ScoreOptions {
  double temperature = 1.0;  // logits are divided by it, [1e-6, 1e6]
  int top = 0;               // the most probable tokens that are returned in place of each token, [0, 1024]
  // Bytes that a micro-batch should take beside the model: at most half for prompts (pixels, features, hidden states,
  // keys and values), a quarter for keys and values of completions, a quarter for logits. A sample that needs more
  // alone is run alone.
  int64_t max_bytes = int64_t{1} << 30;
  // false: all samples are checked first, and one that is wrong fails the call before anything is computed. true: it
  // gets a SampleScore::status and the others are scored.
  bool keep_going = false;
};

// In place of a token of the completion.
struct TokenAlternative {
  int32_t id = -1;
  double logprob = 0.0;  // nats, after temperature
};

struct SampleScore {
  Status status;                        // a failure only with keep_going; the rest is empty then
  std::vector<int32_t> completion_ids;  // [tokens]
  std::vector<double> logprobs;         // [tokens], of each token given all before it, nats, after temperature
  std::vector<double> entropies;        // [tokens], of the distribution that each token was one outcome of, nats
  std::vector<std::vector<TokenAlternative>> top;  // [tokens][top], best first, equal ones by id; empty without `top`
  int64_t prompt_tokens = 0;
  // What this sample did not cost, because it was there: tokens of the prompt; pictures and videos.
  int64_t shared_tokens = 0;
  int64_t shared_media = 0;
};

struct ScoreCallbacks {
  std::function<void(std::string_view stage, double fraction)> on_progress;  // "checking", then "scoring"
  // Each sample's result, in the order of the samples, as soon as it and all before it are there. A failure stops the
  // call.
  std::function<Status(size_t index, const SampleScore& score)> on_sample;
  const std::atomic<bool>* cancel = nullptr;  // set it from any thread, also from a signal handler
};

// Scores `samples`. A prompt that several of them have, with the same pictures at the same positions, is read once and
// their completions go on behind it; the same picture is encoded once, in whatever samples (both in the engine's
// bounded caches and within a micro-batch). Samples whose hooks watch or write are run alone. on_positions is called
// twice. Errors: "sample 3 ("id"): ..." with what was expected and found; `cancelled`. Results that on_sample got stay
// valid.
Result<std::vector<SampleScore>> score(const Engine& engine, std::span<const ScoreSample> samples,
                                       const ScoreOptions& options = {}, const ScoreCallbacks& callbacks = {});

// Everything that can be known to be wrong with the samples before the model runs: messages, media, prompts, positions,
// lengths, ids. The first failure, or success.
Status check_samples(const Engine& engine, std::span<const ScoreSample> samples, const ScoreOptions& options = {},
                     const ScoreCallbacks& callbacks = {});

// ---- files

struct ScoreFileOptions {
  ScoreOptions score;
  std::string positions;  // policy of all samples; "": the checkpoint's own
};

struct ScoreFileReport {
  int64_t samples = 0;            // in the file
  int64_t reused = 0;             // whose scores were there from an earlier run
  int64_t scored = 0;             // by this run
  int64_t failed = 0;             // of these, that got an error line: keep_going
  int64_t prompt_tokens = 0;      // of the samples scored
  int64_t completion_tokens = 0;  // likewise
  int64_t shared_tokens = 0;      // of the prompts, that were not computed again
  int64_t shared_media = 0;
};

// Scores the lines of the JSONL file `in` and writes one line for each, in order, to `out` (docs/scoring.md). What
// `out` holds already of the same samples under the same model and options is kept and not computed again, wherever the
// run that wrote it was killed. Errors: the line of `in` that is wrong; an `out` that belongs to something else, or
// cannot be written.
Result<ScoreFileReport> score_file(const Engine& engine, const std::string& in, const std::string& out,
                                   const ScoreFileOptions& options = {}, const ScoreCallbacks& callbacks = {});

}  // namespace azimuth
