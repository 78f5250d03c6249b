// Rendered text with every placeholder replaced by what its image or video takes.
#pragma once

#include <string>
#include <vector>

#include "azimuth/prompt.h"
#include "azimuth/status.h"
#include "prompt/build_prompt.h"

namespace azimuth::prompt {

struct ExpandedText {
  std::string text;
  std::vector<text::ByteRange> literal;  // of the given text, moved
  std::vector<Span> media_spans;         // in order of the text; token ranges not set yet
};

// Errors as build_prompt.
Result<ExpandedText> expand_text(const PromptText& text, const MediaInputs& media, const PromptSpec& spec,
                                 const BuildOptions& options);

// The spans of all images, and of all videos, as their expansion would place them; token ranges not set yet.
struct MediaSpans {
  std::vector<Span> images;
  std::vector<Span> videos;
};
// Errors: media that the family does not take, grids, too many tokens for the context.
Result<MediaSpans> spans_of_media(const MediaInputs& media, const PromptSpec& spec, const BuildOptions& options);

}  // namespace azimuth::prompt
