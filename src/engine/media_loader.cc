#include "engine/media_loader.h"

#include <algorithm>

#include "base/cancel.h"
#include "engine/video_frames.h"
#include "media/panorama_views.h"
#include "vision/arrangement/arrangement.h"

namespace azimuth::engine {
namespace {

using prompt::MediaReference;

media::DecodeOptions decode_options(const Engine::Impl& model, Compat compat) {
  media::DecodeOptions options;
  const bool drops = compat == Compat::tf4 || model.processors.image.drops_alpha;
  options.alpha = drops ? media::AlphaMode::drop : media::AlphaMode::on_white;
  options.apply_orientation = model.options.apply_orientation;
  options.max_pixels = model.options.max_pixels;
  return options;
}

Grid merged(const Engine::Impl& model, const preprocess::MediaPixels& pixels) {
  return model.spec.vision->projector.merged(pixels.tiles[0].grid);
}

// Tiles that divide a picture count as the one picture that they make up.
MediaHandle handle(SpanKind kind, size_t number, const preprocess::MediaPixels& pixels, int64_t patch_size) {
  Grid patches = pixels.tiles[0].grid;
  patches.h *= pixels.tile_rows;
  patches.w *= pixels.tile_columns;
  return {kind,
          static_cast<int>(number),
          pixels.source.width,
          pixels.source.height,
          patches.w * patch_size,
          patches.h * patch_size,
          patches};
}

// Seconds between the grid frames of a video whose arrays came without any word of time: what the reference takes.
constexpr double kUnknownSeconds = 1.0;

std::optional<double> seconds_per_grid(const VideoInfo& info) {
  const bool told = info.seconds_per_grid || info.fps || !info.frames_indices.empty();
  return told ? info.seconds_per_grid : kUnknownSeconds;
}

}  // namespace

MediaLoader::MediaLoader(const Engine::Impl& model, const models::ProcessorSpecs& processors, Options options)
    : model_(model),
      processors_(processors),
      options_(std::move(options)),
      decoding_(decode_options(model, options_.compat)) {}

void MediaLoader::expect(const std::vector<MediaReference>& references) {
  several_pictures_ =
      std::ranges::count_if(references, [](const MediaReference& reference) {
        return reference.kind == prompt::MediaKind::image || reference.kind == prompt::MediaKind::panorama;
      }) > 1;
}

Status MediaLoader::load(const MediaReference& reference) {
  if (CancelScope::requested()) return cancelled("stopped on request");
  inputs.order.push_back(reference.is_video() ? SpanKind::video : SpanKind::image);
  switch (reference.kind) {
    case prompt::MediaKind::image: return load_image(reference.sources[0]);
    case prompt::MediaKind::panorama: return load_panorama(reference);
    case prompt::MediaKind::video_frames:
    case prompt::MediaKind::video_file: return load_video(reference);
  }
  return internal_error("no such kind of medium");
}

std::vector<MediaHandle> MediaLoader::handles() const {
  std::vector<MediaHandle> all = image_handles_;
  all.insert(all.end(), video_handles_.begin(), video_handles_.end());
  return all;
}

Status MediaLoader::arrange() {
  const VisionSpec& vision = *model_.spec.vision;
  const int count = static_cast<int>(images.size());
  const auto finish = [&](preprocess::MediaPixels& media, bool video, size_t i) -> Status {
    if (media.blocks.empty()) {
      AZ_ASSIGN_OR_RETURN(media.blocks, vision::feature_blocks({vision, media, video, count}));
    }
    media.tf4 = options_.compat == Compat::tf4;
    return check_given(media, (video ? "video " : "image ") + std::to_string(i));
  };
  for (size_t i = 0; i < images.size(); ++i) {
    AZ_RETURN_IF_ERROR(finish(images[i], false, i));
    inputs.images[i].blocks = images[i].blocks;
  }
  for (size_t i = 0; i < videos.size(); ++i) {
    AZ_RETURN_IF_ERROR(finish(videos[i].media, true, i));
    inputs.videos[i].blocks = videos[i].media.blocks;
  }
  return ok_status();
}

Result<const MediaInput*> MediaLoader::held(const std::string& source) const {
  const size_t count = options_.held == nullptr ? 0 : options_.held->size();
  AZ_ASSIGN_OR_RETURN(const std::optional<size_t> index, memory_index(source, count));
  return index ? &(*options_.held)[*index] : nullptr;
}

HeldFormat MediaLoader::format_of(const ImageProcessorSpec& processor) const {
  const PromptExpansion expansion = model_.spec.prompt.image.expansion;
  const bool tells = expansion == PromptExpansion::split_tiles || expansion == PromptExpansion::tile_rows;
  return {*model_.spec.vision, processor, options_.complete_prompt, tells && !options_.complete_prompt};
}

Result<media::Image> MediaLoader::picture(const std::string& source) const {
  AZ_ASSIGN_OR_RETURN(const MediaInput* const input, held(source));
  if (input == nullptr) return media::load_image(resolve_source(source, options_.directory), decoding_);
  const auto* const decoded = std::get_if<PictureInput>(input);
  if (decoded != nullptr) return image_of(*decoded, decoding_.max_pixels, source);
  return invalid_argument(source + " expected a decoded picture, found " +
                          (kind_of(*input) == SpanKind::video ? "a video" : "pixels or features of one"));
}

Status MediaLoader::load_image(const std::string& source) {
  AZ_ASSIGN_OR_RETURN(const MediaInput* const input, held(source));
  if (input == nullptr || std::holds_alternative<PictureInput>(*input)) {
    AZ_ASSIGN_OR_RETURN(const media::Image image, picture(source));
    return add_view(image, 0, 1);
  }
  if (kind_of(*input) == SpanKind::video) {
    return invalid_argument(source + " expected a picture where the request names an image, found a video");
  }
  const HeldFormat format = format_of(processors_.image);
  const auto* const given = std::get_if<PixelInput>(input);
  Result<preprocess::MediaPixels> pixels = given != nullptr
                                               ? pixels_of(*given, format, source)
                                               : features_of(std::get<FeatureInput>(*input), format, source);
  AZ_RETURN_IF_ERROR(pixels.status());
  add_image(std::move(*pixels), 0, 1);
  return ok_status();
}

// Every view is an image like any other, but for its mark.
Status MediaLoader::load_panorama(const MediaReference& reference) {
  AZ_ASSIGN_OR_RETURN(const media::Image panorama, picture(reference.sources[0]));
  AZ_ASSIGN_OR_RETURN(const std::vector<media::Image> views,
                      media::panorama_views(panorama, reference.panorama, *model_.pool));
  for (size_t view = 0; view < views.size(); ++view) {
    AZ_RETURN_IF_ERROR(add_view(views[view], static_cast<int>(view), static_cast<int>(views.size())));
  }
  return ok_status();
}

Status MediaLoader::add_view(const media::Image& image, int view, int views) {
  ImageProcessorSpec spec = processors_.image;
  if (spec.divides_only_alone && (several_pictures_ || views > 1)) spec.divides = false;
  AZ_ASSIGN_OR_RETURN(preprocess::MediaPixels pixels, preprocess::preprocess_image(image, spec, *model_.pool));
  add_image(std::move(pixels), view, views);
  return ok_status();
}

void MediaLoader::add_image(preprocess::MediaPixels pixels, int view, int views) {
  prompt::ImageInput input{merged(model_, pixels), view, views};
  input.tile_rows = pixels.tile_rows;
  input.tile_columns = pixels.tile_columns;
  inputs.images.push_back(std::move(input));
  image_handles_.push_back(handle(SpanKind::image, images.size(), pixels, processors_.image.patch_size));
  images.push_back(std::move(pixels));
}

Status MediaLoader::load_video(const MediaReference& reference) {
  if (reference.kind == prompt::MediaKind::video_file) {
    AZ_ASSIGN_OR_RETURN(const MediaInput* const input, held(reference.sources[0]));
    if (input != nullptr) return load_held_video(reference.sources[0], *input);
  }
  AZ_ASSIGN_OR_RETURN(const media::VideoFrames video,
                      load_video_frames(reference, options_.directory, decoding_, processors_.video, *model_.pool));
  return add_frames(video);
}

Status MediaLoader::load_held_video(const std::string& source, const MediaInput& input) {
  if (kind_of(input) != SpanKind::video) {
    return invalid_argument(source + " expected a video where the request names one, found a picture");
  }
  if (const auto* const frames = std::get_if<FramesInput>(&input)) {
    AZ_ASSIGN_OR_RETURN(const media::VideoFrames video, frames_of(*frames, decoding_.max_pixels, source));
    return add_frames(video);
  }
  const HeldFormat format = format_of(processors_.video.frame);
  const auto* const given = std::get_if<PixelInput>(&input);
  const VideoInfo& info = given != nullptr ? given->geometry.video : std::get<FeatureInput>(input).geometry.video;
  preprocess::VideoPixels video;
  if (given != nullptr) {
    AZ_ASSIGN_OR_RETURN(video.media, pixels_of(*given, format, source));
  } else {
    AZ_ASSIGN_OR_RETURN(video.media, features_of(std::get<FeatureInput>(input), format, source));
  }
  const int64_t groups = video.media.tiles[0].grid.t;
  video.metadata = metadata_of(info, groups * processors_.video.frame.temporal_patch_size);
  video.seconds_per_grid = seconds_per_grid(info);
  add_video(std::move(video));
  return ok_status();
}

Status MediaLoader::add_frames(const media::VideoFrames& frames) {
  AZ_ASSIGN_OR_RETURN(preprocess::VideoPixels video,
                      preprocess::preprocess_video(frames, processors_.video, *model_.pool));
  add_video(std::move(video));
  return ok_status();
}

void MediaLoader::add_video(preprocess::VideoPixels video) {
  prompt::VideoInput input{merged(model_, video.media), video.metadata, processors_.video.frame.temporal_patch_size};
  input.seconds_per_grid = video.seconds_per_grid;
  inputs.videos.push_back(std::move(input));
  video_handles_.push_back(handle(SpanKind::video, videos.size(), video.media, processors_.video.frame.patch_size));
  videos.push_back(std::move(video));
}

}  // namespace azimuth::engine
