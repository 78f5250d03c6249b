#include "prompt/expand_text.h"

#include <algorithm>
#include <string_view>

#include "base/counted.h"
#include "prompt/expansion/expansion.h"
#include "prompt/joined_markers.h"

namespace azimuth::prompt {
namespace {

struct Placeholder {
  size_t begin = 0;
  size_t end = 0;
  bool video = false;
};

bool overlaps(const std::vector<text::ByteRange>& ranges, size_t begin, size_t end) {
  return std::ranges::any_of(ranges, [&](const auto& range) { return range.begin < end && begin < range.end; });
}

void find_placeholders(const PromptText& text, const MediaMarkup& markup, bool video, std::vector<Placeholder>& found) {
  const std::string& needle = markup.in_template();
  if (needle.empty()) return;
  for (size_t at = text.text.find(needle); at != std::string::npos; at = text.text.find(needle, at + needle.size())) {
    if (!overlaps(text.literal, at, at + needle.size())) found.push_back({at, at + needle.size(), video});
  }
}

// Widens a placeholder by the markers around it, where both are there.
void take_markers(const std::string& text, const MediaMarkup& markup, Placeholder& place) {
  const std::string_view all = text;
  const std::string_view before = all.substr(0, place.begin);
  const std::string_view after = all.substr(place.end);
  if (!before.ends_with(markup.start) || !after.starts_with(markup.end)) return;
  place.begin -= markup.start.size();
  place.end += markup.end.size();
}

Status check_count(const char* name, const MediaMarkup& markup, size_t placeholders, size_t given) {
  if (placeholders == given) return ok_status();
  const std::string media = counted(static_cast<int64_t>(given), name);
  if (markup.expansion == PromptExpansion::none) {
    return unsupported("this model takes no " + std::string(name) + "s, but " + media +
                       " came with the prompt; leave " + (given == 1 ? "it" : "them") + " out");
  }
  return invalid_argument("the prompt has " +
                          counted(static_cast<int64_t>(placeholders), std::string(name) + " placeholder") + " (" +
                          markup.in_template() + "), but " + media + (given == 1 ? " was" : " were") +
                          " given; the two counts must be equal");
}

Status check_grid(const char* name, size_t index, const Grid& grid) {
  // Each side is bounded first, so that their product cannot overflow.
  const auto valid = [](int64_t side) { return side > 0 && side <= kMaxPromptTokens; };
  const bool sides = valid(grid.t) && valid(grid.h) && valid(grid.w);
  if (sides && grid.h * grid.w <= kMaxPromptTokens && grid.cells() <= kMaxPromptTokens) return ok_status();
  return invalid_argument(std::string("expected a grid of 1 to ") + std::to_string(kMaxPromptTokens) + " cells for " +
                          name + " " + std::to_string(index) + ", got " + std::to_string(grid.t) + " x " +
                          std::to_string(grid.h) + " x " + std::to_string(grid.w));
}

Status check_refused(const PromptText& text, const PromptSpec& spec) {
  for (const std::string& needle : spec.refused) {
    for (size_t at = text.text.find(needle); at != std::string::npos; at = text.text.find(needle, at + needle.size())) {
      if (overlaps(text.literal, at, at + needle.size())) continue;
      return unsupported("the prompt has the placeholder " + needle +
                         ", whose medium this build does not read; leave it out");
    }
  }
  return ok_status();
}

// Before any text is made of them: counts, grids, and that all cells together fit.
Status check_media(const MediaInputs& media, const BuildOptions& options) {
  int64_t cells = 0;
  const int64_t most =
      options.context_tokens > 0 ? std::min(options.context_tokens, kMaxPromptTokens) : kMaxPromptTokens;
  const auto add = [&](const Grid& grid, const std::vector<FeatureBlock>& blocks) {
    int64_t features = blocks.empty() ? grid.cells() : 0;
    for (const FeatureBlock& block : blocks) features = std::min(features + block.tokens(), kMaxPromptTokens + 1);
    cells = std::min(cells + features, kMaxPromptTokens + 1);
  };
  for (size_t i = 0; i < media.images.size(); ++i) {
    AZ_RETURN_IF_ERROR(check_grid("image", i, media.images[i].grid));
    add(media.images[i].grid, media.images[i].blocks);
  }
  for (size_t i = 0; i < media.videos.size(); ++i) {
    AZ_RETURN_IF_ERROR(check_grid("video", i, media.videos[i].grid));
    add(media.videos[i].grid, media.videos[i].blocks);
  }
  if (cells <= most) return ok_status();
  return resource_exhausted("the images and videos take " + std::to_string(cells) +
                            (cells > kMaxPromptTokens ? " tokens or more" : " tokens") +
                            ", but the model's context holds " + std::to_string(most) + "; give fewer or smaller ones");
}

// The blocks of an image or video; one of the whole grid where none were given.
std::vector<FeatureBlock> blocks_of(const Grid& grid, const std::vector<FeatureBlock>& blocks) {
  if (!blocks.empty()) return blocks;
  FeatureBlock whole;
  whole.grid = grid;
  whole.features = grid.cells();
  return {whole};
}

Result<Expansion> expand_image(const MediaInputs& media, const PromptSpec& spec, size_t index) {
  const ImageInput& image = media.images[index];
  const int number = static_cast<int>(index);
  const std::vector<FeatureBlock> blocks = blocks_of(image.grid, image.blocks);
  Expansion expansion;
  switch (spec.image.expansion) {
    case PromptExpansion::per_cell:
      expansion = expand_per_cell(spec.image, SpanKind::image, number, blocks, nullptr);
      break;
    case PromptExpansion::pan_and_scan: expansion = expand_pan_and_scan(spec.image, number, blocks); break;
    case PromptExpansion::tile_rows:
      expansion = expand_tile_rows(spec.image, number, blocks, image.tile_columns);
      break;
    case PromptExpansion::marked_tiles: expansion = expand_marked_tiles(spec.image, number, blocks); break;
    case PromptExpansion::split_tiles:
      expansion = expand_split_tiles(spec.image, number, blocks, image.tile_columns);
      break;
    default: return internal_error("no such expansion of an image");
  }
  for (Span& span : expansion.spans) {
    span.view = image.view;
    span.views = image.views;
    span.global_view = image.views > 1 && image.view == 0;
  }
  return expansion;
}

int64_t most_frames(const std::vector<VideoInput>& videos) {
  int64_t most = 0;
  for (const VideoInput& video : videos) most = std::max(most, video.grid.t);
  return most;
}

Result<Expansion> expand_video(const MediaInputs& media, const PromptSpec& spec, size_t index) {
  const VideoInput& video = media.videos[index];
  AZ_ASSIGN_OR_RETURN(VideoTiming timing, video_timing(video.metadata, video.temporal_patch_size, video.grid.t));
  timing.step_seconds = video.seconds_per_grid.value_or(timing.step_seconds);
  const int number = static_cast<int>(index);
  switch (spec.video.expansion) {
    case PromptExpansion::per_cell:
      return expand_per_cell(spec.video, SpanKind::video, number, blocks_of(video.grid, video.blocks), &timing);
    case PromptExpansion::timestamped_frames: return expand_timestamped_frames(spec.video, number, video.grid, timing);
    case PromptExpansion::clocked_frames: return expand_clocked_frames(spec.video, number, video.grid, timing);
    case PromptExpansion::numbered_frames:
      return expand_numbered_frames(spec.video, number, blocks_of(video.grid, video.blocks), timing);
    case PromptExpansion::described_frames: {
      const double seconds = video.metadata.duration.value_or(timing.group_seconds.back());
      return expand_described_frames(spec.video, number,
                                     {video.grid, timing, most_frames(media.videos), static_cast<int64_t>(seconds)});
    }
    default: return internal_error("no such expansion of a video");
  }
}

// Copies text, and moves the literal ranges that lie in what is copied.
class Splicer {
 public:
  explicit Splicer(const PromptText& source) : source_(source) {}

  void copy_until(size_t end) {
    while (next_ < source_.literal.size() && source_.literal[next_].end <= end) {
      const text::ByteRange& range = source_.literal[next_++];
      out.literal.push_back({range.begin - from_ + out.text.size(), range.end - from_ + out.text.size()});
    }
    out.text.append(source_.text, from_, end - from_);
    from_ = end;
  }

  void replace_until(size_t end, const Expansion& expansion) {
    out.text += expansion.text;
    out.media_spans.insert(out.media_spans.end(), expansion.spans.begin(), expansion.spans.end());
    from_ = end;
  }

  ExpandedText out;

 private:
  const PromptText& source_;
  size_t from_ = 0;
  size_t next_ = 0;
};

}  // namespace

Result<ExpandedText> expand_text(const PromptText& text, const MediaInputs& media, const PromptSpec& spec,
                                 const BuildOptions& options) {
  AZ_RETURN_IF_ERROR(check_refused(text, spec));
  std::vector<Placeholder> places;
  if (spec.takes_images()) find_placeholders(text, spec.image, false, places);
  const size_t images = places.size();
  if (spec.takes_videos()) find_placeholders(text, spec.video, true, places);
  AZ_RETURN_IF_ERROR(check_count("image", spec.image, images, media.images.size()));
  AZ_RETURN_IF_ERROR(check_count("video", spec.video, places.size() - images, media.videos.size()));
  AZ_RETURN_IF_ERROR(check_media(media, options));
  std::ranges::sort(places, {}, &Placeholder::begin);

  Splicer splicer(text);
  size_t image = 0;
  size_t video = 0;
  for (Placeholder place : places) {
    if (place.video && options.replace_video_markers) take_markers(text.text, spec.video, place);
    splicer.copy_until(place.begin);
    if (place.video) {
      AZ_ASSIGN_OR_RETURN(const Expansion expansion, expand_video(media, spec, video++));
      splicer.replace_until(place.end, expansion);
    } else {
      AZ_ASSIGN_OR_RETURN(const Expansion expansion, expand_image(media, spec, image++));
      splicer.replace_until(place.end, expansion);
    }
  }
  splicer.copy_until(text.text.size());
  if (spec.image.joins_markers) join_markers(spec.image.start, options.space_behind_markers, splicer.out);
  return std::move(splicer.out);
}

Result<MediaSpans> spans_of_media(const MediaInputs& media, const PromptSpec& spec, const BuildOptions& options) {
  if (!spec.takes_images()) AZ_RETURN_IF_ERROR(check_count("image", spec.image, 0, media.images.size()));
  if (!spec.takes_videos()) AZ_RETURN_IF_ERROR(check_count("video", spec.video, 0, media.videos.size()));
  AZ_RETURN_IF_ERROR(check_media(media, options));
  MediaSpans spans;
  const auto add = [](const Expansion& expansion, std::vector<Span>& to) {
    to.insert(to.end(), expansion.spans.begin(), expansion.spans.end());
  };
  for (size_t i = 0; i < media.images.size(); ++i) {
    AZ_ASSIGN_OR_RETURN(const Expansion expansion, expand_image(media, spec, i));
    add(expansion, spans.images);
  }
  for (size_t i = 0; i < media.videos.size(); ++i) {
    AZ_ASSIGN_OR_RETURN(const Expansion expansion, expand_video(media, spec, i));
    add(expansion, spans.videos);
  }
  return spans;
}

}  // namespace azimuth::prompt
