// How far a model with narrower weights is from the same checkpoint in f32, on the same prompts.
#pragma once

#include <cstdint>
#include <string>

#include "azimuth/engine.h"
#include "azimuth/status.h"

namespace azimuth {

struct AccuracyOptions {
  std::string reference;          // the original of a quantised directory; "": the model itself
  std::string messages;           // JSON: a conversation, or a list of them, in place of the built-in prompts
  std::string base_directory;     // of paths in `messages`
  int64_t generated_tokens = 16;  // behind each prompt, those that f32 chooses
  // JSON list of {"image", "question", "answer"}, with paths relative to it. "": evaluation/questions.json of the
  // reference, where it has one.
  std::string questions_file;
};

struct AccuracyReport {
  std::string model_type;
  std::string dtype;
  int64_t prompts = 0;
  int64_t tokens = 0;    // distributions compared: behind each text token, prompted and generated
  double mean_kl = 0.0;  // KL(f32 || dtype) per token, nats
  double max_kl = 0.0;
  double top1_agreement = 0.0;  // share of tokens for which both find the same token likeliest
  // Of the largest difference of a log-probability over the vocabulary, nats: mean over tokens, and largest.
  double mean_logprob_difference = 0.0;
  double max_logprob_difference = 0.0;
  int64_t questions = 0;  // with a known answer
  int64_t right = 0;
  int64_t right_in_f32 = 0;
};

// Loads the reference in f32, remembers its log-probabilities, lets go of it, and loads `model` as `engine` says: only
// one of the two is in memory at a time.
Result<AccuracyReport> measure_accuracy(const std::string& model, const EngineOptions& engine,
                                        const AccuracyOptions& options = {});

}  // namespace azimuth
