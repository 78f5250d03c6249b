// How a family writes media into a prompt: plain data that models fill and prompt/ carries out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace azimuth {

// What one placeholder of the rendered template becomes. One file of prompt/expansion/ per scheme.
enum class PromptExpansion : uint8_t {
  none,                // the family has no such media
  per_cell,            // as many copies as the image has features, between start and end: one span per block
  pan_and_scan,        // as per_cell for each tile by itself, with words that tell a picture from its crops (Gemma 3)
  timestamped_frames,  // per grid frame: `<1.5 seconds>`, start, a copy per cell, end: one span per frame (Qwen3-VL)
  clocked_frames,      // per grid frame: `00:01 `, start, a copy per cell, end; spaces between (Gemma 4)
  numbered_frames,     // per frame on a line of its own: `Frame1: `, start, a copy per cell, end (InternVL)
  tile_rows,           // start, the whole image, after_whole, its tiles row by row with tokens between, end (Ovis2)
  marked_tiles,        // start in front of each tile, end behind the last: one span per tile (Idefics2)
  split_tiles,       // rows of tiles behind start and `<row_1_col_2>`, the whole image behind `<global-img>`, end: one
                     // span per tile (Idefics3)
  described_frames,  // a sentence on the video, then per frame its time, start, `<global-img>`, a copy per cell, end:
                     // one span per frame (SmolVLM)
};

// Tokens that see each other in both directions, so that no chunk or cache block may end among them.
enum class ClosedRegions : uint8_t {
  none,          // causal throughout
  media_spans,   // each image or frame group (Gemma 3)
  whole_prompt,  // everything before the answer (PaliGemma)
};

// What a processor makes of a prompt beside the media themselves.
enum class PromptFrame : uint8_t {
  as_written,
  media_bos_text_newline,  // the images of a sample, bos, its text, a newline (PaliGemma)
  bos_behind_media,        // bos behind the images that the text begins with, where it has none (mllama)
  media_before_text,       // the images of a sample in front of its text, unless the text has placeholders (BLIP-2)
};

// Images or videos in a prompt.
struct MediaMarkup {
  PromptExpansion expansion = PromptExpansion::none;
  std::string placeholder =
      {};                   // the token that stands for one feature, and in the template for the whole image or video
  std::string start = {};   // written in front of an image or frame by the expansion
  std::string end = {};     // and behind it
  std::string marker = {};  // stands for the whole image or video in the template, where `placeholder` does not
  // Between the tiles of tile_rows.
  std::string after_whole = {};
  std::string between_columns = {};
  std::string between_rows = {};

  bool joins_markers = false;  // `end` and `start` of neighbours are one; text directly behind them gets a space

  const std::string& in_template() const { return marker.empty() ? placeholder : marker; }
};

struct PromptSpec {
  MediaMarkup image;
  MediaMarkup video;
  // The tokenizer's own tokens (bos) are added to a rendered template that does not begin with bos. Processors of
  // vision-language models do that, chat templates of text models do not.
  bool adds_bos_to_chat = false;
  PromptFrame frame = PromptFrame::as_written;
  std::vector<std::string> refused = {};  // placeholders of media that are not supported (audio)
  ClosedRegions closed_regions = ClosedRegions::none;
  std::string video_template = {};  // replaces the checkpoint's chat template where messages hold a video

  bool takes_images() const { return image.expansion != PromptExpansion::none; }
  bool takes_videos() const { return video.expansion != PromptExpansion::none; }

  // Strings that text of a user must never turn into.
  std::vector<std::string> placeholders() const {
    std::vector<std::string> strings;
    for (const MediaMarkup* media : {&image, &video}) {
      if (media->expansion == PromptExpansion::none) continue;
      strings.push_back(media->placeholder);
      if (!media->marker.empty()) strings.push_back(media->marker);
    }
    return strings;
  }
};

}  // namespace azimuth
