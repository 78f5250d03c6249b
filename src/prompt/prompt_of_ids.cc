// A prompt that came as ids: what build_prompt makes of text is there already, and its media are found in it.
#include <algorithm>
#include <string>

#include "base/counted.h"
#include "prompt/build_prompt.h"
#include "prompt/expand_text.h"
#include "prompt/prompt_limits.h"

namespace azimuth::prompt {
namespace {

std::string name_of(SpanKind kind) {
  return kind == SpanKind::video ? "video" : "image";
}

int64_t tokens_of(const Span& span) {
  return span.delivery == Delivery::cross ? 1 : span.features;
}

int64_t tokens_of(const std::vector<Span>& spans) {
  int64_t tokens = 0;
  for (const Span& span : spans) tokens += tokens_of(span);
  return tokens;
}

// Placeholders of one kind against what its media fill.
Status check_total(SpanKind kind, const std::string& placeholder, int64_t found, size_t media,
                   const std::vector<Span>& spans) {
  const int64_t expected = tokens_of(spans);
  if (found == expected) return ok_status();
  const std::string name = name_of(kind);
  const std::string given = media == 0
                                ? "no " + name + "s were given"
                                : counted(static_cast<int64_t>(media), name) + " with " + counted(expected, "feature") +
                                      (media == 1 ? " was given" : " together were given");
  return invalid_argument("the ids hold " + counted(found, name + " placeholder") + " (" + placeholder + "), but " +
                          given + "; the two counts must be equal");
}

// All spans in the order of the prompt, where one token stands for images and videos.
std::vector<Span> in_order(const MediaSpans& spans, const std::vector<SpanKind>& order) {
  std::vector<Span> all;
  auto image = spans.images.begin();
  auto video = spans.videos.begin();
  const auto take = [&all](auto& next, auto end) {
    if (next == end) return;
    for (const int media = next->media; next != end && next->media == media; ++next) all.push_back(*next);
  };
  for (const SpanKind kind : order) {
    if (kind == SpanKind::video) {
      take(video, spans.videos.end());
    } else {
      take(image, spans.images.end());
    }
  }
  all.insert(all.end(), image, spans.images.end());
  all.insert(all.end(), video, spans.videos.end());
  return all;
}

// Gives out the spans of media, one behind the other, to the runs of placeholders in the ids.
class Placer {
 public:
  Placer(const std::vector<int32_t>& ids, PlaceholderIds placeholders) : ids_(ids), placeholders_(placeholders) {}

  bool is_placeholder(int64_t token) const {
    const int32_t id = ids_[static_cast<size_t>(token)];
    return id >= 0 && (id == placeholders_.image || id == placeholders_.video);
  }

  int64_t count(int32_t placeholder) const {
    return placeholder < 0 ? 0 : std::count(ids_.begin(), ids_.end(), placeholder);
  }

  // `images` and `videos` are the same list where one token stands for both.
  Result<std::vector<Span>> place(const std::vector<Span>& images, const std::vector<Span>& videos) const {
    const bool shared = placeholders_.image == placeholders_.video;
    std::vector<Span> spans;
    size_t next_image = 0;
    size_t next_video = 0;
    const auto end = static_cast<int64_t>(ids_.size());
    for (int64_t at = 0; at < end;) {
      Span span;
      if (is_placeholder(at)) {
        const bool video = !shared && ids_[static_cast<size_t>(at)] == placeholders_.video;
        const std::vector<Span>& from = video ? videos : images;
        size_t& next = video ? next_video : next_image;
        if (next == from.size()) return invalid_argument(behind_all(at));
        span = from[next++];
        const int64_t run = run_length(at);
        if (run < tokens_of(span)) return invalid_argument(too_short(at, run, span));
        span.begin = at;
        at += tokens_of(span);
      } else {
        span.begin = at;
        while (at < end && !is_placeholder(at)) ++at;
      }
      span.end = at;
      spans.push_back(span);
    }
    return spans;
  }

 private:
  int64_t run_length(int64_t begin) const {
    auto end = static_cast<size_t>(begin);
    while (end < ids_.size() && ids_[end] == ids_[static_cast<size_t>(begin)]) ++end;
    return static_cast<int64_t>(end) - begin;
  }

  static std::string behind_all(int64_t at) {
    return "the ids hold a placeholder at token " + std::to_string(at) +
           " behind those of all images and videos that were given; give them in the order of the prompt";
  }

  static std::string too_short(int64_t at, int64_t run, const Span& span) {
    std::string medium = name_of(span.kind) + " " + std::to_string(span.media);
    if (span.tiles > 1) medium = "tile " + std::to_string(span.tile) + " of " + medium;
    return medium + " has " + counted(tokens_of(span), "feature") + ", but the ids hold " +
           counted(run, "placeholder") + " in a row from token " + std::to_string(at) +
           " on; the counts must be equal, in the order of the prompt";
  }

  const std::vector<int32_t>& ids_;
  PlaceholderIds placeholders_;
};

Status check_ids(const std::vector<int32_t>& ids, bool unknown, const PromptSpec& spec,
                 const text::Tokenizer& tokenizer) {
  if (ids.empty()) return invalid_argument("a prompt of ids expected at least one, found none");
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= (unknown ? -1 : 0)) continue;
    return out_of_range("token id expected 0 or above, found " + std::to_string(ids[i]) + " at token " +
                        std::to_string(i) + "; leave padding out");
  }
  for (const std::string& refused : spec.refused) {
    const std::optional<int32_t> id = tokenizer.token_to_id(refused);
    if (!id || std::ranges::find(ids, *id) == ids.end()) continue;
    return unsupported("the ids hold the placeholder " + refused +
                       ", whose medium this build does not read; leave it out");
  }
  return ok_status();
}

}  // namespace

PlaceholderIds placeholder_ids(const PromptSpec& spec, const text::Tokenizer& tokenizer) {
  PlaceholderIds ids;
  if (spec.takes_images()) ids.image = tokenizer.token_to_id(spec.image.placeholder).value_or(-1);
  if (spec.takes_videos()) ids.video = tokenizer.token_to_id(spec.video.placeholder).value_or(-1);
  return ids;
}

Result<Prompt> prompt_of_ids(std::vector<int32_t> ids, const MediaInputs& media, const PromptSpec& spec,
                             const text::Tokenizer& tokenizer, const BuildOptions& options) {
  AZ_RETURN_IF_ERROR(check_ids(ids, options.unknown_ids, spec, tokenizer));
  AZ_RETURN_IF_ERROR(check_context(ids.size(), options.context_tokens));
  AZ_ASSIGN_OR_RETURN(const MediaSpans spans, spans_of_media(media, spec, options));
  PlaceholderIds placeholders;
  if (!options.rows_are_final) placeholders = placeholder_ids(spec, tokenizer);
  Prompt prompt;
  prompt.ids = std::move(ids);
  const Placer placer(prompt.ids, placeholders);
  const size_t images = media.images.size();
  const size_t videos = media.videos.size();
  if (placeholders.image == placeholders.video) {
    const std::vector<Span> all = in_order(spans, media.order);
    const SpanKind kind = images == 0 && videos > 0 ? SpanKind::video : SpanKind::image;
    AZ_RETURN_IF_ERROR(
        check_total(kind, spec.image.placeholder, placer.count(placeholders.image), images + videos, all));
    AZ_ASSIGN_OR_RETURN(prompt.spans, placer.place(all, all));
  } else {
    AZ_RETURN_IF_ERROR(
        check_total(SpanKind::image, spec.image.placeholder, placer.count(placeholders.image), images, spans.images));
    AZ_RETURN_IF_ERROR(
        check_total(SpanKind::video, spec.video.placeholder, placer.count(placeholders.video), videos, spans.videos));
    AZ_ASSIGN_OR_RETURN(prompt.spans, placer.place(spans.images, spans.videos));
  }
  prompt.closed_regions = closed_regions(prompt, spec.closed_regions);
  return prompt;
}

}  // namespace azimuth::prompt
