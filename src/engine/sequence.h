// One prompt on its way through the decoder, and the passes that move a batch of them.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "azimuth/positions.h"
#include "azimuth/prompt.h"
#include "decoder/decoder.h"
#include "decoder/pass_workspace.h"
#include "spec/run_context.h"

namespace azimuth::engine {

// What happens to the tokens in the cache when frequencies change with the length (positions.md 0.4).
enum class FrequencyMode : uint8_t {
  rerotate,      // they are computed again
  as_reference,  // their keys stay as they are
};

// Frequencies that follow the length of their sequence: dynamic NTK, LongRoPE.
struct FrequencyGrowth {
  // The encoding for a length (largest id, plus 1); unset where frequencies do not depend on it.
  std::function<Result<std::shared_ptr<const decoder::PositionEncoding>>(int64_t length)> encoding_for;
  FrequencyMode mode = FrequencyMode::rerotate;
  int64_t length = 0;    // that the sequence's encoding is for
  bool mixed = false;    // keys in the cache have been turned by several encodings
  int64_t prefills = 0;  // times that the sequence was computed again
  // Generated tokens, as they entered the decoder.
  std::vector<int32_t> ids;
  std::vector<float> rows;  // [ids, hidden]
};

struct Sequence {
  Prompt prompt;
  decoder::DecoderInput input;
  PositionTable positions;
  std::shared_ptr<const decoder::PositionEncoding> encoding;
  decoder::CacheState cache;
  FrequencyGrowth growth = {};
  // Ascending; no pass of a prefill runs across one of them, so that the cache can be looked at there. At closed
  // boundaries only.
  std::vector<int64_t> stops = {};
  // Whoever prefills it reads the hidden states of each pass's last token alone; those of others are left unfinished.
  bool last_row_only = false;
};

// What scalings see of the tokens in `positions`: their largest id on any axis of any set, plus 1, rounded up.
int64_t length_of(const PositionTable& positions);
// The id of token `index` on the axes of `set`, written to out [axes]; those behind the prompt were generated.
void token_position(const PositionSet& set, int64_t index, float* out);
// The ids of generated tokens [0, steps), as a table of their own.
PositionTable generated_positions(const PositionTable& prompt, int64_t first_step, int64_t steps);
// The same into `table`.
void generated_positions(const PositionTable& prompt, int64_t first_step, int64_t steps, PositionTable& table);

// Hook 2 of the whole prompt; before its first prefill.
Status enter_decoder(const RunContext& context, int sequence, Sequence& prompt);
// The same for tokens that go behind `first_token` others.
Status enter_decoder(const RunContext& context, int sequence, int64_t first_token, std::span<const Span> spans,
                     const PositionTable& positions, decoder::DecoderInput& input);

// Rows [count, hidden] of sequence `sequence`, tokens [first_token, first_token + count), before the final norm.
using HiddenSink = std::function<Status(int sequence, int64_t first_token, const float* rows, int64_t count)>;

// Tokens of one forward pass over a prompt: enough rows for efficient products, few enough for progress and cancelling.
inline constexpr int64_t kPrefillTokens = 512;

// Runs each sequence's tokens behind its cache to the end of its prompt, in passes of at most `pass_tokens` tokens that
// several sequences may share. Chunks end at closed boundaries only. `first_sequence`: index of the first one, for the
// sink, taps and hooks.
Status prefill(const decoder::Decoder& decoder, std::span<Sequence> sequences, const RunContext& context,
               const HiddenSink& sink, int64_t pass_tokens = kPrefillTokens, int first_sequence = 0);

// A generated token on its way into the decoder.
struct Step {
  decoder::DecoderInput input;  // one row
  PositionTable positions;      // of the token
  PositionTable cached;         // of the tokens before it, where the cache holds raw keys
};

// The memory of steps. Kept from one to the next, it makes them free of allocations.
struct StepWorkspace {
  std::vector<Step> inputs;      // [sequences]
  std::vector<int64_t> lengths;  // [sequences]: that each has with its new token
  std::vector<decoder::SequenceChunk> chunks;
  decoder::PassWorkspace pass;
  Tensor hidden;  // [sequences, hidden]; behind a step: its result
};

// Feeds one generated token to each of `sequences`: its step-th (0-based). The result is work.hidden.
// Where its frequencies change with the new length, a sequence is first prefilled again, or goes on with other ones.
Status decode_step(const decoder::Decoder& decoder, std::span<Sequence* const> sequences, std::span<const int32_t> ids,
                   std::span<const int64_t> steps, const RunContext& context, StepWorkspace& work);
// The same in memory of its own. Returns hidden rows [sequences, hidden].
Result<Tensor> decode_step(const decoder::Decoder& decoder, std::span<Sequence* const> sequences,
                           std::span<const int32_t> ids, std::span<const int64_t> steps, const RunContext& context);

// The largest end of a chunk that starts at `begin`, at most `limit` if a boundary there is closed. A closed region
// that is longer than the limit is taken whole.
int64_t chunk_end(const Prompt& prompt, int64_t begin, int64_t limit);

}  // namespace azimuth::engine
