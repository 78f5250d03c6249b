// A prompt after the one scan that looks for placeholders: token ids and typed spans. Everything behind it (positions,
// injection, masks) reads spans and never token ids.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace azimuth {

// Frames, rows, columns. In a Span it counts merged cells; in patch tensors it counts patches.
struct Grid {
  int64_t t = 0;
  int64_t h = 0;
  int64_t w = 0;
  int64_t cells() const { return t * h * w; }
  bool operator==(const Grid&) const = default;
};

enum class SpanKind : uint8_t { text, image, video };

// How features reach the decoder.
enum class Delivery : uint8_t {
  injected,    // one feature per token of the span, in order
  row_suffix,  // as injected, with one learned extra feature after each row (LLaVA-NeXT's newline)
  cross,       // cross-attended: the span is one token, the features stay outside of the sequence (mllama)
};

// A maximal run of text, or the tokens of one tile of one image or of one frame group of one video.
struct Span {
  SpanKind kind = SpanKind::text;
  int64_t begin = 0;  // token range [begin, end) in the prompt
  int64_t end = 0;
  int media = -1;  // index among the request's images, or among its videos, by kind; -1 for text
  int tile = 0;    // tile `tile` of `tiles` of one image
  int tiles = 1;
  bool global_tile = false;  // the tile that shows the whole image
  int view = 0;              // view `view` of `views` of one panorama
  int views = 1;
  bool global_view = false;
  Grid grid;             // cells after merging; zero for text
  int64_t features = 0;  // feature rows behind this span
  Delivery delivery = Delivery::injected;
  double start_seconds = 0.0;  // of a video's first frame in this span
  double step_seconds = 0.0;   // between its grid frames

  int64_t tokens() const { return end - begin; }
};

struct Prompt {
  std::string text;          // the rendered template with placeholders expanded to one per feature
  std::vector<int32_t> ids;  // [tokens]
  std::vector<Span> spans;   // in order, covering [0, tokens) without gaps
  // Token indices where a chunk, cache block or shared prefix must NOT end, as half-open ranges (begin, end): a cut at
  // b with begin < b < end would split a bidirectional region. Empty for causal models.
  std::vector<std::pair<int64_t, int64_t>> closed_regions;
};

}  // namespace azimuth
