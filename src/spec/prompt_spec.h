// How a family writes media into a prompt: plain data that models fill and prompt/ carries out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace azimuth {

// What one placeholder of the rendered template becomes. One file of prompt/expansion/ per scheme.
enum class PromptExpansion : uint8_t {
  none,                // the family has no such media
  per_cell,            // as many copies as the grid has cells: one span
  timestamped_frames,  // per grid frame: `<1.5 seconds>`, start, a copy per cell, end: one span per frame (Qwen3-VL)
};

// Tokens that see each other in both directions, so that no chunk or cache block may end among them.
enum class ClosedRegions : uint8_t {
  none,          // causal throughout
  media_spans,   // each image or frame group (Gemma 3)
  whole_prompt,  // everything before the answer (PaliGemma)
};

// Images or videos in a prompt.
struct MediaMarkup {
  PromptExpansion expansion = PromptExpansion::none;
  std::string placeholder =
      {};                  // the token that stands for one feature, and in the template for the whole image or video
  std::string start = {};  // marker tokens around a frame, where the expansion writes them itself
  std::string end = {};
};

struct PromptSpec {
  MediaMarkup image;
  MediaMarkup video;
  // The tokenizer's own tokens (bos) are added to a rendered template that does not begin with bos. Processors of
  // vision-language models do that, chat templates of text models do not.
  bool adds_bos_to_chat = false;
  ClosedRegions closed_regions = ClosedRegions::none;

  bool takes_images() const { return image.expansion != PromptExpansion::none; }
  bool takes_videos() const { return video.expansion != PromptExpansion::none; }

  // Strings that text of a user must never turn into.
  std::vector<std::string> placeholders() const {
    std::vector<std::string> strings;
    if (takes_images()) strings.push_back(image.placeholder);
    if (takes_videos()) strings.push_back(video.placeholder);
    return strings;
  }
};

}  // namespace azimuth
