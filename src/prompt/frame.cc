#include "prompt/frame.h"

#include <algorithm>
#include <utility>

namespace azimuth::prompt {
namespace {

// `text` with `inserted` at byte `at`, which lies in nobody's words.
void insert_at(PromptText& text, size_t at, const std::string& inserted) {
  text.text.insert(at, inserted);
  for (text::ByteRange& range : text.literal) {
    if (range.begin < at) continue;
    range.begin += inserted.size();
    range.end += inserted.size();
  }
}

// bos behind the images that the text begins with. Source: transformers, processing_mllama.py
// (build_string_from_input).
PromptText with_bos_behind_media(const PromptText& text, const std::string& placeholder, const std::string& bos) {
  if (bos.empty() || text.text.find(bos) != std::string::npos) return text;
  size_t at = 0;
  while (!placeholder.empty() && text.text.compare(at, placeholder.size(), placeholder) == 0) at += placeholder.size();
  PromptText out = text;
  insert_at(out, at, bos);
  return out;
}

// Where the last placeholder that is no user's words ends; 0 where there is none.
size_t end_of_last(const PromptText& text, const std::string& placeholder) {
  const auto literal = [&](size_t at) {
    return std::ranges::any_of(text.literal, [&](const text::ByteRange& range) {
      return range.begin < at + placeholder.size() && at < range.end;
    });
  };
  size_t at = text.text.rfind(placeholder);
  while (at != std::string::npos && literal(at))
    at = at == 0 ? std::string::npos : text.text.rfind(placeholder, at - 1);
  return at == std::string::npos ? 0 : at + placeholder.size();
}

// Source: transformers, processing_blip_2.py: the queries' tokens stand in front of bos.
Result<FramedText> with_media_in_front(const PromptText& text, size_t images, const std::string& placeholder) {
  if (images == 0 || end_of_last(text, placeholder) > 0) return FramedText{{}, text};
  if (images == 1) return FramedText{{placeholder, {}, false}, text};
  return invalid_argument("this model expected one image in front of a prompt, found " + std::to_string(images) +
                          "; give one, or write " + placeholder + " where each belongs");
}

// The images where the text has no place for any, bos behind the last of them, a newline at the end. Source:
// transformers, processing_paligemma.py (prepare_inputs_layout).
PromptText with_bos_and_newline(const PromptText& text, size_t images, const std::string& placeholder,
                                const std::string& bos) {
  PromptText out = text;
  size_t at = end_of_last(text, placeholder);
  for (size_t i = 0; at == 0 && i < images; ++i) insert_at(out, 0, placeholder);
  if (at == 0) at = images * placeholder.size();
  insert_at(out, at, bos);
  out.text += "\n";
  return out;
}

}  // namespace

Result<FramedText> frame_text(const PromptText& text, size_t images, const PromptSpec& spec, const std::string& bos) {
  switch (spec.frame) {
    case PromptFrame::bos_behind_media:
      return FramedText{{}, with_bos_behind_media(text, spec.image.in_template(), bos)};
    case PromptFrame::media_bos_text_newline:
      return FramedText{{}, with_bos_and_newline(text, images, spec.image.in_template(), bos)};
    case PromptFrame::media_before_text: return with_media_in_front(text, images, spec.image.in_template());
    default: return FramedText{{}, text};
  }
}

}  // namespace azimuth::prompt
