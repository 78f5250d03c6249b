#include "prompt/frame.h"

#include <utility>

namespace azimuth::prompt {
namespace {

// bos behind the images that the text begins with. Source: transformers, processing_mllama.py
// (build_string_from_input).
PromptText with_bos_behind_media(const PromptText& text, const std::string& placeholder, const std::string& bos) {
  if (bos.empty() || text.text.find(bos) != std::string::npos) return text;
  size_t at = 0;
  while (!placeholder.empty() && text.text.compare(at, placeholder.size(), placeholder) == 0) at += placeholder.size();
  PromptText out = text;
  out.text.insert(at, bos);
  for (text::ByteRange& range : out.literal) {
    if (range.begin < at) continue;
    range.begin += bos.size();
    range.end += bos.size();
  }
  return out;
}

// Source: transformers, processing_blip_2.py: the queries' tokens stand in front of bos.
Result<FramedText> with_media_in_front(const PromptText& text, size_t images, const std::string& placeholder) {
  if (images == 0 || text.text.find(placeholder) != std::string::npos) return FramedText{{}, text};
  if (images == 1) return FramedText{{placeholder, {}, false}, text};
  return invalid_argument("this model expected one image in front of a prompt, found " + std::to_string(images) +
                          "; give one, or write " + placeholder + " where each belongs");
}

}  // namespace

Result<FramedText> frame_text(const PromptText& text, size_t images, const PromptSpec& spec, const std::string& bos) {
  switch (spec.frame) {
    case PromptFrame::bos_behind_media:
      return FramedText{{}, with_bos_behind_media(text, spec.image.in_template(), bos)};
    case PromptFrame::media_before_text: return with_media_in_front(text, images, spec.image.in_template());
    default: return FramedText{{}, text};
  }
}

}  // namespace azimuth::prompt
