// One pass of the decoder over the tokens of a caller: ids or embeddings in, logits and hidden states out.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "azimuth/array.h"
#include "azimuth/cache.h"
#include "azimuth/session.h"
#include "azimuth/status.h"

namespace azimuth {

inline constexpr int64_t kAllRows = -1;

struct ForwardOptions {
  // In place of the rows that ids would give: [n, hidden], as embed_tokens() returns them. The request may hold the ids
  // of the same tokens, or nothing: placeholders are then the rows that equal, bit for bit, what embed_tokens returns
  // for the placeholder's id. Media of the request go into the placeholders' rows; without media all rows stay as they
  // are, whatever they hold.
  FloatArray embeddings;
  // Rows of logits that are wanted: of the last N tokens, 0 for none, kAllRows for all.
  int64_t logit_rows = kAllRows;
  bool hidden_states = false;                 // ForwardOutput::hidden
  bool layer_outputs = false;                 // ForwardOutput::layers
  const std::atomic<bool>* cancel = nullptr;  // set it from any thread, also from a signal handler
  std::function<void(std::string_view stage, double fraction)> progress;
};

struct ForwardOutput {
  FloatArray logits;               // [rows, vocab], before temperature; empty where none were asked for
  FloatArray hidden;               // [n, hidden], after the last layer, before the final norm
  std::vector<FloatArray> layers;  // per decoder layer [n, hidden]: its own output, before DeepStack is added to it
  int64_t tokens = 0;              // n: of this call
  int64_t first_token = 0;         // tokens that the cache held before
};

// Runs the request's tokens (messages, prompt or ids, with their media, positions and hooks; or embeddings) behind
// those of `cache`, which then holds them, too. Without a cache the pass leaves nothing behind. Positions go on behind
// the cache's as the policy says, unless the request holds position ids: one for each token of this call.
//
// Numbers are those of generate() and trace(), bit for bit, however a sequence is cut into calls, as long as no cut
// lies inside a region whose tokens see each other: a medium and its placeholders come in one call.
//
// Errors: shapes, NaN and infinities of embeddings; models that need ids and got embeddings alone; a policy, keys or
// compat other than the cache's; a prompt beyond the context. After a failure the cache is as before.
Result<ForwardOutput> forward(const Engine& engine, const Request& request, const ForwardOptions& options = {},
                              Cache* cache = nullptr);

// The decoder's input rows of `ids`: [ids, hidden], f32, scaled as the model does; the same bits whenever and wherever
// the engine embeds a token. out_of_range for an id outside of the vocabulary.
Result<FloatArray> embed_tokens(const Engine& engine, std::span<const int32_t> ids);

}  // namespace azimuth
