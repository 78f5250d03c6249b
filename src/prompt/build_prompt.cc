#include "prompt/build_prompt.h"

#include <optional>
#include <utility>

#include "prompt/expand_text.h"
#include "prompt/frame.h"
#include "prompt/prompt_limits.h"

namespace azimuth::prompt {
namespace {

// Whether the tokenizer puts its own tokens (bos) around the text.
bool adds_special_tokens(const PromptText& text, const PromptSpec& spec, const text::Tokenizer& tokenizer,
                         const BuildOptions& options) {
  if (spec.frame == PromptFrame::media_bos_text_newline) return false;  // the frame has written bos
  if (!text.from_template) return options.add_special_tokens.value_or(true);
  const std::string& bos = tokenizer.bos();
  if (!bos.empty() && text.text.starts_with(bos)) return false;
  return options.add_special_tokens.value_or(spec.adds_bos_to_chat);
}

Result<int32_t> placeholder_id(const MediaMarkup& markup, const text::Tokenizer& tokenizer) {
  const std::optional<int32_t> id = tokenizer.token_to_id(markup.placeholder);
  if (id.has_value()) return *id;
  return invalid_argument("expected the token " + markup.placeholder +
                          " in the tokenizer, found none; use the tokenizer of this model");
}

// Spans over all of `ids`: the media spans where their placeholders are, text in between.
Result<std::vector<Span>> place_spans(const std::vector<int32_t>& ids, const std::vector<Span>& media_spans,
                                      int32_t image_id, int32_t video_id) {
  std::vector<Span> spans;
  const auto end = static_cast<int64_t>(ids.size());
  size_t next = 0;
  int64_t at = 0;
  const auto is_placeholder = [&](int64_t token) {
    const int32_t id = ids[static_cast<size_t>(token)];
    return id == image_id || id == video_id;
  };
  while (at < end) {
    Span span;
    span.begin = at;
    if (!is_placeholder(at)) {
      while (at < end && !is_placeholder(at)) ++at;
    } else {
      if (next == media_spans.size()) break;
      span = media_spans[next++];
      span.begin = at;
      const int32_t id = span.kind == SpanKind::image ? image_id : video_id;
      const int64_t tokens = span.delivery == Delivery::cross ? 1 : span.features;
      while (at < end && at - span.begin < tokens && ids[static_cast<size_t>(at)] == id) ++at;
      if (at - span.begin != tokens) break;
    }
    span.end = at;
    spans.push_back(span);
  }
  if (at == end && next == media_spans.size()) return spans;
  return invalid_argument("expected one token for every image or video placeholder, but after token " +
                          std::to_string(at) + " of " + std::to_string(end) +
                          " the tokenizer made something else of it; use the tokenizer of this model");
}

}  // namespace

Result<Prompt> build_prompt(const PromptText& text, const MediaInputs& media, const PromptSpec& spec,
                            const text::Tokenizer& tokenizer, const BuildOptions& options) {
  AZ_ASSIGN_OR_RETURN(const FramedText framed, frame_text(text, media.images.size(), spec, tokenizer.bos()));
  const MediaInputs no_media;
  const bool led = !framed.lead.text.empty();
  AZ_ASSIGN_OR_RETURN(ExpandedText lead, expand_text(framed.lead, led ? media : no_media, spec, options));
  AZ_ASSIGN_OR_RETURN(ExpandedText expanded, expand_text(framed.body, led ? no_media : media, spec, options));
  int32_t image_id = -1;
  int32_t video_id = -1;
  if (!media.images.empty()) {
    AZ_ASSIGN_OR_RETURN(image_id, placeholder_id(spec.image, tokenizer));
  }
  if (!media.videos.empty()) {
    AZ_ASSIGN_OR_RETURN(video_id, placeholder_id(spec.video, tokenizer));
  }

  Prompt prompt;
  const text::EncodeOptions encoding{.add_special_tokens = adds_special_tokens(text, spec, tokenizer, options),
                                     .literal = expanded.literal};
  AZ_ASSIGN_OR_RETURN(prompt.ids, tokenizer.encode(lead.text, {.add_special_tokens = false, .literal = lead.literal}));
  AZ_ASSIGN_OR_RETURN(const std::vector<int32_t> body, tokenizer.encode(expanded.text, encoding));
  prompt.ids.insert(prompt.ids.end(), body.begin(), body.end());
  AZ_RETURN_IF_ERROR(check_context(prompt.ids.size(), options.context_tokens));
  lead.media_spans.insert(lead.media_spans.end(), expanded.media_spans.begin(), expanded.media_spans.end());
  AZ_ASSIGN_OR_RETURN(prompt.spans, place_spans(prompt.ids, lead.media_spans, image_id, video_id));
  prompt.closed_regions = closed_regions(prompt, spec.closed_regions);
  prompt.text = lead.text + expanded.text;
  return prompt;
}

}  // namespace azimuth::prompt
