// One prompt on its way through the decoder, and the passes that move a batch of them.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "azimuth/positions.h"
#include "azimuth/prompt.h"
#include "decoder/decoder.h"
#include "spec/run_context.h"

namespace azimuth::engine {

struct Sequence {
  Prompt prompt;
  decoder::DecoderInput input;
  PositionTable positions;
  std::shared_ptr<const decoder::PositionEncoding> encoding;
  decoder::CacheState cache;
};

// Rows [count, hidden] of sequence `sequence`, tokens [first_token, first_token + count), before the final norm.
using HiddenSink = std::function<Status(int sequence, int64_t first_token, const float* rows, int64_t count)>;

// Tokens of one forward pass over a prompt: enough rows for efficient products, few enough for progress and cancelling.
inline constexpr int64_t kPrefillTokens = 512;

// Runs each sequence's tokens behind its cache to the end of its prompt, in passes of at most `pass_tokens` tokens that
// several sequences may share. Chunks end at closed boundaries only.
Status prefill(const decoder::Decoder& decoder, std::span<Sequence> sequences, const RunContext& context,
               const HiddenSink& sink, int64_t pass_tokens = kPrefillTokens);

// Feeds one generated token to each of `sequences`: its step-th (0-based). Returns hidden rows [sequences, hidden].
Result<Tensor> decode_step(const decoder::Decoder& decoder, std::span<Sequence* const> sequences,
                           std::span<const int32_t> ids, std::span<const int64_t> steps, const RunContext& context);

// The largest end of a chunk that starts at `begin`, at most `limit` if a boundary there is closed. A closed region
// that is longer than the limit is taken whole.
int64_t chunk_end(const Prompt& prompt, int64_t begin, int64_t limit);

}  // namespace azimuth::engine
