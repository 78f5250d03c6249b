// Where a model looks: the attention weights of chosen tokens, summed up for pictures.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "azimuth/engine.h"
#include "azimuth/session.h"
#include "azimuth/status.h"

namespace azimuth {

struct AttendOptions {
  // Prompt tokens whose attention is read, as indices; negative ones count from the end. Empty: the last token, from
  // which the first word of the answer is drawn.
  std::vector<int64_t> queries;
  // Tokens to generate greedily behind the prompt; each is a query too. An end-of-text token ends them earlier.
  int64_t generated = 0;
  const std::atomic<bool>* cancel = nullptr;  // set it from any thread
};

// What one query token sees in one layer. Weights are those of the softmax: of each head they add up to one.
struct LayerAttention {
  int heads = 0;
  std::vector<float> visual_share;  // [heads], sum over the tokens of pictures and videos
  std::vector<float> visual;        // [heads, visual tokens]
  std::vector<float> mean;          // [keys], mean over heads; keys are all tokens up to the query
};

struct AttendQuery {
  int64_t token = 0;  // index in the prompt; from the prompt's length on: generated tokens
  std::vector<LayerAttention> layers;
};

// The tokens that a layer looks at most, whatever it reads: the largest mean weight, over heads and over
// AttendReport::sink_queries.
struct AttentionSink {
  int64_t token = -1;
  double weight = 0.0;
  int64_t visual_token = -1;  // the same among tokens of pictures; -1 where there is none
  double visual_weight = 0.0;
};

struct AttendReport {
  PromptReport prompt;
  std::vector<int32_t> generated_ids;
  std::vector<std::string> generated_tokens;  // each as text
  std::vector<int64_t> visual_tokens;         // indices of the tokens of pictures and videos, ascending
  std::vector<AttendQuery> queries;
  std::vector<int64_t> sink_queries;  // at most 64 text tokens behind the last picture, evenly spaced; else `queries`
  std::vector<AttentionSink> sinks;   // [layers]
};

// Runs the request and reads attention as it passes; reading changes no bit of what is computed.
// Errors: an engine without weights; a query outside of the prompt; a prompt that leaves no room for generated tokens;
// what the request itself may fail with.
Result<AttendReport> attend(const Engine& engine, const Request& request, const AttendOptions& options = {});

}  // namespace azimuth
