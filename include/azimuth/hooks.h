// Hooks: functions of the caller that read or replace what passes between the stages of the program. docs/hooks.md
// shows them with examples.
//
// A hook that is not set costs a comparison. What it is given belongs to the engine and is valid during the call only.
// A hook that answers with a failure stops the call that it is part of, which leaves its session as it was before.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "azimuth/positions.h"
#include "azimuth/prompt.h"
#include "azimuth/status.h"

namespace azimuth {

// Places that a tap sees, with the shape of the tensor there. W: hooks of Hooks::on_write may change the values.
enum class Stage : uint8_t {
  pixels,        // [patches, channels * temporal * patch * patch]
  tower_layer,   // [patches, tower hidden], output of tower layer `layer`
  tower_output,  // [patches, tower hidden], of the last layer that the tower runs, behind its final norm
  features,      // [cells, decoder hidden], after the projector; W
  deepstack,     // [cells, decoder hidden], DeepStack level `layer`; W
  embeddings,    // [tokens, hidden], decoder entry, after embeddings of positions; W
  attention,     // [heads, 1, keys], attention weights of one query in decoder layer `layer`; see wants_attention
  layer_output,  // [tokens, hidden], the decoder layer's own output, before streams are added to it; W
  final_hidden,  // [tokens, hidden], after the last layer, before the final norm; W
  logits,        // [tokens, vocab], before temperature and penalties; W
};

struct TapPoint {
  Stage stage = Stage::pixels;
  int layer = -1;           // of tower or decoder, or DeepStack level
  int sequence = -1;        // index in the batch, of a decoder stage
  int64_t first_token = 0;  // of a decoder stage: index in the sequence of the token of the first row
  int media = -1;           // of a stage before the decoder: which of the sample's pictures, then videos
};

// Values in the order of `shape`, whose last dimension runs fastest.
struct ReadTensor {
  std::span<const float> values;
  std::vector<int64_t> shape;
};
struct WriteTensor {
  std::span<float> values;
  std::vector<int64_t> shape;
};

// A picture or video of the request.
struct MediaHandle {
  SpanKind kind = SpanKind::image;
  int number = 0;  // Span::media of its spans
  // As decoded and turned upright; of one frame of a video, of one view of a panorama.
  int64_t original_width = 0;
  int64_t original_height = 0;
  // After the resize to whole patches.
  int64_t width = 0;
  int64_t height = 0;
  Grid patches;  // before merging; Span::grid counts merged cells
};

// Hook 1: positions, behind the layout and before anything is computed from them.
struct PositionEdit {
  std::string_view policy;             // that laid the prompt out, with its parameters
  std::span<const Span> spans;         // with their grids
  std::span<const int32_t> ids;        // [tokens]
  std::span<const MediaHandle> media;  // pictures, then videos
  // To be edited. Afterwards it has to pass PositionTable::validate and to have the axes that the frequency plan turns.
  // PositionSet::next_text and next_decode stay as they were unless the hook sets them.
  PositionTable& positions;
};

// Rows that are added to the hidden states behind a layer (DeepStack).
struct StreamRows {
  int layer = 0;
  std::span<const int64_t> tokens;  // ascending token indices
  std::span<float> rows;            // [tokens of the stream, hidden]
};

// Hook 2: what enters the decoder. Called once for the whole prompt, and once for each generated token.
struct DecoderEntry {
  int sequence = 0;
  int64_t first_token = 0;  // 0 for the prompt, otherwise the index of the generated token
  int64_t tokens = 0;
  std::span<float> hidden;          // [tokens, hidden], features in their places, to be edited
  std::span<const int32_t> ids;     // [tokens]
  std::vector<StreamRows> streams;  // of the prompt
  std::span<const Span> spans;      // of the prompt; empty for a generated token
  const PositionTable& positions;   // of these tokens
};

// Hook 2b: entry of a layer, before its first norm.
struct LayerEntry {
  int layer = 0;
  int sequence = 0;
  int64_t first_token = 0;
  int64_t tokens = 0;
  std::span<float> hidden;  // [tokens, hidden], to be edited
};

// What reaches one rotary embedding, for the tokens of one sequence in one pass.
struct RotaryIds {
  int rope = 0;                 // index of the layer type
  int id_set = 0;               // of PositionTable::sets
  std::span<const int> layers;  // that use this rope with this id set
  int sequence = 0;
  int64_t first_token = 0;
  int64_t tokens = 0;
  int axes = 1;
  std::span<const float> ids;  // [tokens, axes]
};

// Hook 3: cosines and sines where they are built. With keys=raw, the rows of the tokens in the cache come by again in
// every pass, because their keys are turned when they are read.
struct RotaryRows : RotaryIds {
  int groups = 1;            // groups of KV heads that turn differently
  int pairs = 0;             // rotary pairs of a head
  std::span<float> cosines;  // [tokens, groups, pairs], to be edited
  std::span<float> sines;    // [tokens, groups, pairs], to be edited
};

struct Hooks {
  std::function<Status(PositionEdit& edit)> on_positions = {};       // hook 1
  std::function<Status(DecoderEntry& entry)> on_decoder_input = {};  // hook 2
  std::function<Status(LayerEntry& entry)> on_layer_input = {};      // hook 2b
  std::function<Status(RotaryRows& rows)> on_rotary = {};            // hook 3

  // Taps see what passes and change no bit of any result.
  std::function<void(const TapPoint& point, const ReadTensor& tensor)> on_read = {};
  std::function<void(const RotaryIds& ids)> on_rotary_ids = {};
  // Which attention weights on_read sees, asked for each query of each layer (first_token is its index); unset: none.
  // They are computed for it alone, from the queries, the cached keys and the kernel's log-sum-exp.
  std::function<bool(const TapPoint& query)> wants_attention = {};
  // Called at the stages marked W, behind on_read, and may change the values.
  std::function<Status(const TapPoint& point, WriteTensor& tensor)> on_write = {};

  // True where a hook may change what a token leaves in the cache. A session then computes the whole prompt: what it
  // remembers belongs to other numbers. Edited positions need no such care, they are compared.
  bool changes_states() const { return on_decoder_input || on_layer_input || on_rotary || on_write; }
  // True where a tap is set that sees what is computed. The session's memory stays in use, but what other sessions of
  // the engine computed does not: what a tap sees should not depend on them.
  bool watches() const { return on_read || on_rotary_ids || wants_attention; }
};

}  // namespace azimuth
