// Position encodings that act on attention scores (positions.md, section 1): each is one ScoreTerm.
#pragma once

#include <cstdint>
#include <optional>

#include "azimuth/status.h"
#include "decoder/cache.h"
#include "kernels/kernels.h"
#include "positions/score/segment_memory.h"

namespace azimuth::decoder {

// Tokens of one sequence on their way into a layer's cache.
struct NewTokens {
  int layer = 0;
  CacheIndex first = 0;
  int64_t count = 0;
  const float* ids = nullptr;  // id of token t: ids[t * id_stride]
  int64_t id_stride = 1;
  const float* inputs = nullptr;  // [count, hidden], what the attention reads: after the layer's norm
};

// One query, one head, and the scores of the keys that it sees.
struct ScoreRow {
  int layer = 0;
  int head = 0;  // query head
  CacheIndex query = 0;
  const float* vector = nullptr;  // [head_dim] of the query
  kernels::KeyRange keys;
  int kv_head = 0;
  const LayerCache* cache = nullptr;
  float* scores = nullptr;  // [keys.end - keys.begin]; after the softmax: its weights

  const float* key(CacheIndex index) const { return cache->key(kv_head, index); }
  const float* state(CacheIndex index) const { return cache->state.row(0, index); }
};

// A layer kind that prepares from layer inputs, queries and its own part of the cache, and changes the scores of a
// query row before the softmax. Every method is a function of its arguments and of weights that never change, and looks
// at one query: that is why chunks, batches and threads change no bit.
class ScoreTerm {
 public:
  virtual ~ScoreTerm() = default;

  // Floats that the term keeps for each token of each layer: state rows, which live and die with keys and values.
  virtual int state_width() const = 0;
  // Refuses ids that the term has no meaning for. `tokens` as far as they are known before the first layer: no inputs.
  virtual Status check_ids(const NewTokens& tokens) const = 0;
  // Writes the state rows of new tokens to out [count, state_width]. `previous` is the row of the token before them, or
  // nullptr where there is none.
  virtual void write_state(const NewTokens& tokens, const float* previous, float* out) const = 0;

  // What multiplies q.k instead of the model's scale.
  virtual std::optional<float> scale() const { return std::nullopt; }
  // Segments and their memory, for a term whose tokens do not see the whole cache. Its state rows are then layer
  // inputs, from which keys and values of the memory are computed again when a segment begins.
  virtual const positions::SegmentMemory* segments() const { return nullptr; }

  // Adds products with the query to q.k: they are scaled and capped as it is.
  virtual void add_products(const ScoreRow&) const {}
  // Adds what is neither scaled nor capped.
  virtual void add_bias(const ScoreRow&) const {}
  // Adds to output [value_dim] what the weights of `row` take from more than the values.
  virtual void add_values(const ScoreRow&, float* /*output*/) const {}
};

// The base of terms that need nothing but ids: a state row is the token's id.
class IdTerm : public ScoreTerm {
 public:
  static float id(const ScoreRow& row, CacheIndex index) { return *row.state(index); }

  int state_width() const override { return 1; }
  Status check_ids(const NewTokens&) const override { return ok_status(); }
  void write_state(const NewTokens& tokens, const float* previous, float* out) const override;
};

// The same for terms that look up a table by distance: ids have to be whole.
class DistanceTerm : public IdTerm {
 public:
  Status check_ids(const NewTokens& tokens) const override;
};

}  // namespace azimuth::decoder
