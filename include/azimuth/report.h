// Pages and drawings of what a prompt looks like to the model: positions as JSON, as a page and as a picture, and a
// page about attention. Each page is one file that loads nothing: style, script, data and pictures are inside.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "azimuth/attend.h"
#include "azimuth/engine.h"
#include "azimuth/lint.h"
#include "azimuth/prompt.h"
#include "azimuth/session.h"
#include "azimuth/status.h"

namespace azimuth {

// What the model sees behind one grid frame of one visual span, scaled down for showing.
struct PictureView {
  size_t span = 0;    // index into Prompt::spans
  int64_t frame = 0;  // grid frame within the span
  int64_t width = 0;  // of the scaled picture, in pixels
  int64_t height = 0;
  std::string data_url;  // "data:image/jpeg;base64,..."
};

// The pixels of the request's pictures and videos after preprocessing, as small JPEGs: one for each grid frame of each
// span whose patches are known; of a patch that covers several frames, the first. Reads no weights.
// Errors: those of reading and preparing the request.
Result<std::vector<PictureView>> picture_views(const Engine& engine, const Request& request);

// How a visual token's ids meet the text's. Either makes a visual token hard to tell from text.
struct TokenOverlap {
  uint8_t ahead = 0;   // axes (bit a: axis a) with an id >= that of the first text token behind the visual span
  uint8_t shared = 0;  // axes with an id that a text token also has on that axis
  bool any() const { return (ahead | shared) != 0; }
};
// One entry for each token of id set `set`; text tokens have none.
std::vector<TokenOverlap> find_overlaps(const PromptReport& report, size_t set = 0);

// What `azimuth positions --json` prints, one JSON object: policy, spans, tokens with their ids, how the sequence goes
// on, the spectrum, and the linter's findings where `lint` is given. Text that is not UTF-8 has its bytes replaced.
std::string positions_json(const PromptReport& report, const LintReport* lint = nullptr);

// Everything that a page or drawing about positions shows.
struct PositionsPage {
  std::string model;                   // for the heading
  std::vector<PromptReport> policies;  // one, or two that lay out the same prompt
  std::vector<PictureView> pictures;   // may be empty: grids are drawn on a plain ground
  std::vector<LintReport> lint;        // of each policy; or empty: the page has no findings
};

// A page to explore: tokens, grids over the pictures, overlaps, spectrum; policies side by side.
// invalid_argument unless there are one or two policies of prompts with the same spans, and as many lint reports or
// none.
Result<std::string> positions_html(const PositionsPage& page);
// A still drawing of the same, SVG 1.1. Runs of text beyond 400 tokens are drawn by their ends.
Result<std::string> positions_svg(const PositionsPage& page);

// What `azimuth attend --json` prints, one JSON object: tokens, and for each query and layer the share of its attention
// on pictures by head, the weights of their tokens by head, and the weights of all tokens as a mean over heads; the
// sinks. Six digits.
std::string attend_json(const AttendReport& report);

struct AttendPage {
  std::string model;  // for the heading
  AttendReport report;
  std::vector<PictureView> pictures;  // may be empty
};
// A page to explore: shares by layer and head, weights over the pictures, sinks.
std::string attend_html(const AttendPage& page);

}  // namespace azimuth
