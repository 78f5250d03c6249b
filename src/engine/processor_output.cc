#include "engine/processor_output.h"

#include <algorithm>

#include "engine/pixel_array.h"
#include "vision/canvas_tower.h"

namespace azimuth::engine {

std::vector<Medium> media_of(const Engine::Impl& model, const PreparedSample& sample) {
  std::vector<Medium> media;
  if (model.processors.video.shares_image_array) {
    for (const Span& span : sample.prompt.spans) {
      const Medium medium{span.kind == SpanKind::video, static_cast<size_t>(span.media)};
      const bool seen = !media.empty() && media.back() == medium;
      if (span.kind != SpanKind::text && !seen) media.push_back(medium);
    }
    return media;
  }
  for (size_t i = 0; i < sample.images.size(); ++i) media.push_back({false, i});
  for (size_t i = 0; i < sample.videos.size(); ++i) media.push_back({true, i});
  return media;
}

std::vector<int32_t> token_types(const Prompt& prompt) {
  std::vector<int32_t> types;
  for (const Span& span : prompt.spans) {
    for (int64_t token = span.begin; token < span.end; ++token) types.push_back(static_cast<int32_t>(span.kind));
  }
  return types;
}

std::vector<int32_t> region_types(const PromptSpec& spec, const Prompt& prompt) {
  return spec.closed_regions == ClosedRegions::media_spans ? token_types(prompt)
                                                           : std::vector<int32_t>(prompt.ids.size());
}

std::vector<int64_t> patch_places(const preprocess::Patches& patches) {
  std::vector<int64_t> places;
  for (int64_t y = 0; y < patches.grid.h; ++y) {
    for (int64_t x = 0; x < patches.grid.w; ++x) places.insert(places.end(), {x, y});
  }
  const auto rows = static_cast<size_t>(std::max(patches.padded_rows, patches.grid.h * patches.grid.w));
  places.resize(2 * rows, -1);
  return places;
}

int64_t canvas_id(const VisionSpec& vision, const preprocess::MediaPixels& image) {
  return vision::aspect_ratio_id(image.tile_rows, image.tile_columns, vision.canvas->tiles);
}

std::vector<int64_t> canvas_mask(const VisionSpec& vision, const preprocess::MediaPixels& image) {
  std::vector<int64_t> mask(static_cast<size_t>(vision.canvas->tiles), 0);
  std::fill_n(mask.begin(), image.tiles.size(), 1);
  return mask;
}

namespace {

using Samples = std::vector<std::vector<const preprocess::MediaPixels*>>;

// `masked`: a mask of the array's pixels stands beside it.
Status add_pixels(const char* name, const ImageProcessorSpec& spec, bool masked, const Samples& samples,
                  PixelArrays& out) {
  if (std::ranges::all_of(samples, [](const auto& media) { return media.empty(); })) return ok_status();
  PixelArrays::Entry entry;
  entry.name = name;
  AZ_ASSIGN_OR_RETURN(entry.values, pixel_array(spec, samples));
  if (masked) entry.mask = pixel_mask(samples, entry.values.shape());
  out.entries.push_back(std::move(entry));
  return ok_status();
}

}  // namespace

Result<PixelArrays> pixel_arrays(const Engine::Impl& model, const std::vector<PreparedSample>& samples) {
  Samples images(samples.size());
  Samples videos(samples.size());
  const VideoProcessorSpec& video = model.processors.video;
  for (size_t i = 0; i < samples.size(); ++i) {
    for (const Medium& medium : media_of(model, samples[i])) {
      const preprocess::MediaPixels& pixels = medium.pixels(samples[i]);
      if (pixels.given != nullptr) continue;  // features have no pixels
      (medium.video && !video.shares_image_array ? videos : images)[i].push_back(&pixels);
    }
  }
  const bool masked = model.processors.image.array == PixelArray::tiles_per_sample;
  PixelArrays out;
  AZ_RETURN_IF_ERROR(add_pixels("pixel_values", model.processors.image, masked, images, out));
  const char* const name = video.named_as_images ? "pixel_values" : "pixel_values_videos";
  AZ_RETURN_IF_ERROR(add_pixels(name, video.frame, masked, videos, out));
  return out;
}

}  // namespace azimuth::engine
