// What takes the place of one placeholder: text, and the spans that its placeholder tokens will form.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "azimuth/prompt.h"
#include "azimuth/status.h"
#include "prompt/video_timing.h"
#include "spec/media_features.h"
#include "spec/prompt_spec.h"

namespace azimuth::prompt {

struct Expansion {
  std::string text;
  std::vector<Span> spans;  // one per run of placeholders in `text`, in order; token range not set yet
};

// `count` copies of the placeholder.
std::string repeated(const std::string& placeholder, int64_t count);

// The span that a block of features will form.
Span span_of(const FeatureBlock& block, SpanKind kind, int media);

// One span per block, all between markup.start and markup.end. `timing` is null for images.
Expansion expand_per_cell(const MediaMarkup& markup, SpanKind kind, int media, std::span<const FeatureBlock> blocks,
                          const VideoTiming* timing);

// One span per block, each between markers of its own; crops behind the whole picture are announced in words. Source:
// Gemma3Processor.replace_image_token.
Expansion expand_pan_and_scan(const MediaMarkup& markup, int media, std::span<const FeatureBlock> blocks);
// A line per frame: `Frame1: `, start, cells, end; one span per frame. Source: InternVLProcessor.replace_video_token.
Expansion expand_numbered_frames(const MediaMarkup& markup, int media, std::span<const FeatureBlock> frames,
                                 const VideoTiming& timing);

// start, the whole picture, after_whole, then its tiles with between_columns or between_rows in front of all but the
// first, end; one span per tile. Source: Ovis2Processor.replace_image_token.
Expansion expand_tile_rows(const MediaMarkup& markup, int media, std::span<const FeatureBlock> blocks,
                           int64_t tile_columns);
// Tells the whole image from its tiles in the prompts of the Idefics line.
inline constexpr std::string_view kGlobalImage = "<global-img>";

// One span per tile, each behind markup.start. Source: Idefics2Processor.__call__.
Expansion expand_marked_tiles(const MediaMarkup& markup, int media, std::span<const FeatureBlock> blocks);

// One span per tile, `columns` of them on a line, and one of the whole image, which is the last block. Source:
// Idefics3Processor.replace_image_token.
Expansion expand_split_tiles(const MediaMarkup& markup, int media, std::span<const FeatureBlock> blocks,
                             int64_t columns);

struct VideoDescription {
  Grid grid;
  const VideoTiming& timing;
  int64_t frames_named = 0;  // the most frames of any video of the prompt
  int64_t seconds = 0;       // of the clip
};

// One span per frame. Source: SmolVLMProcessor.replace_video_token.
Expansion expand_described_frames(const MediaMarkup& markup, int media, const VideoDescription& video);

// One span per grid frame, behind the time of its frames. Source: Qwen3VLProcessor.replace_video_token.
Expansion expand_timestamped_frames(const MediaMarkup& markup, int media, const Grid& grid, const VideoTiming& timing);

// One span per grid frame, behind its minute and second. Source: Gemma4Processor.replace_video_token.
Expansion expand_clocked_frames(const MediaMarkup& markup, int media, const Grid& grid, const VideoTiming& timing);

}  // namespace azimuth::prompt
