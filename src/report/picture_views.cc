// Pictures as the model sees them: patches put together again, bytes in place of normalised numbers.
#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "azimuth/report.h"
#include "engine/prepare.h"
#include "media/resize.h"
#include "report/jpeg_writer.h"

namespace azimuth {
namespace {

using media::Image;
using preprocess::NormalizationTable;
using preprocess::Patches;

constexpr int kChannels = 3;
// Pixels of all views together, so that a page stays small whatever the prompt; and the longest side of one.
constexpr int64_t kPixelBudget = int64_t{3} << 20;
constexpr int64_t kLongestSide = 640;

// The byte whose normalised value is nearest: normalisation is a straight line.
uint8_t byte_of(float value, const std::array<float, 256>& table) {
  const float step = (table[255] - table[0]) / 255.0f;
  const float byte = step == 0.0f ? 0.0f : (value - table[0]) / step;
  return static_cast<uint8_t>(std::clamp(std::nearbyint(byte), 0.0f, 255.0f));
}

// The first frame of grid frame t. Inverse of preprocess::patchify.
Image unpatchify(const Patches& patches, int64_t t, const ImageProcessorSpec& spec) {
  const NormalizationTable table = preprocess::normalization_table(spec);
  const int64_t side = spec.patch_size;
  const int64_t merge = spec.merge_size;
  Image image{patches.grid.w * side, patches.grid.h * side, {}};
  image.rgb.resize(static_cast<size_t>(image.width * image.height * kChannels));
  const int64_t frame_patches = patches.grid.h * patches.grid.w;
  const int64_t channel_elements = spec.temporal_patch_size * side * side;
  for (int64_t index = 0; index < frame_patches; ++index) {
    const int64_t block = index / (merge * merge);
    const int64_t blocks_per_row = patches.grid.w / merge;
    const int64_t top = (block / blocks_per_row * merge + index / merge % merge) * side;
    const int64_t left = (block % blocks_per_row * merge + index % merge) * side;
    const float* patch = patches.pixels.row(t * frame_patches + index);
    for (int channel = 0; channel < kChannels; ++channel) {
      for (int64_t y = 0; y < side; ++y) {
        for (int64_t x = 0; x < side; ++x) {
          const float value = patch[channel * channel_elements + y * side + x];
          image.rgb[static_cast<size_t>(((top + y) * image.width + left + x) * kChannels + channel)] =
              byte_of(value, table[static_cast<size_t>(channel)]);
        }
      }
    }
  }
  return image;
}

// Frame t of an array that was left whole.
Image frame_of_planes(const Patches& planes, int64_t t, const ImageProcessorSpec& spec) {
  const NormalizationTable table = preprocess::normalization_table(spec);
  const auto [width, height] = planes.resized;
  Image image{width, height, {}};
  image.rgb.resize(static_cast<size_t>(width * height * kChannels));
  for (int channel = 0; channel < kChannels; ++channel) {
    const float* plane = planes.pixels.data() + (t * kChannels + channel) * width * height;
    for (int64_t i = 0; i < width * height; ++i) {
      image.rgb[static_cast<size_t>(i * kChannels + channel)] = byte_of(plane[i], table[static_cast<size_t>(channel)]);
    }
  }
  return image;
}

Image frame_of(const Patches& patches, int64_t t, const ImageProcessorSpec& spec) {
  return patches.planes() ? frame_of_planes(patches, t, spec) : unpatchify(patches, t, spec);
}

Result<Image> shrink(const Image& image, int64_t max_pixels, ThreadPool& pool) {
  const double by_side = static_cast<double>(kLongestSide) / static_cast<double>(std::max(image.width, image.height));
  const double by_area =
      std::sqrt(static_cast<double>(max_pixels) / static_cast<double>(image.width) / static_cast<double>(image.height));
  const double factor = std::min(by_side, by_area);
  if (factor >= 1.0) return image;
  const auto scaled = [factor](int64_t side) {
    return std::max<int64_t>(1, std::llround(factor * static_cast<double>(side)));
  };
  return media::resize(image, scaled(image.width), scaled(image.height), ResampleFilter::bicubic,
                       PixelArithmetic::torchvision, pool);
}

// The patches behind a span, and the grid frame at which the span begins in them.
struct Source {
  const Patches* patches = nullptr;
  const ImageProcessorSpec* spec = nullptr;
  int64_t first_frame = 0;
};

class SourceFinder {
 public:
  SourceFinder(const engine::PreparedSample& sample, const models::ProcessorSpecs& processors,
               const ProjectorSpec& projector)
      : sample_(sample), processors_(processors), projector_(projector) {}

  // Spans are asked for in order. No patches where their grid is not the span's (learned queries, tiles put together).
  Source find(const Span& span) {
    Source source;
    const auto media = static_cast<size_t>(span.media);
    if (span.kind == SpanKind::image && media < sample_.images.size()) {
      const std::vector<Patches>& tiles = sample_.images[media].tiles;
      if (static_cast<size_t>(span.tile) >= tiles.size()) return {};
      source = {&tiles[static_cast<size_t>(span.tile)], &processors_.image, 0};
    } else if (span.kind == SpanKind::video && media < sample_.videos.size()) {
      source = {&sample_.videos[media].media.tiles[0], &processors_.video.frame, next_frame_[span.media]};
      next_frame_[span.media] += span.grid.t;
    }
    return covers(source, span) ? source : Source{};
  }

 private:
  bool covers(const Source& source, const Span& span) const {
    if (source.patches == nullptr || projector_.queries > 0) return false;
    const Grid& grid = source.patches->grid;
    const Grid merged = projector_.merged(grid);
    return merged.h == span.grid.h && merged.w == span.grid.w && source.first_frame + span.grid.t <= grid.t;
  }

  const engine::PreparedSample& sample_;
  const models::ProcessorSpecs& processors_;
  const ProjectorSpec& projector_;
  std::map<int, int64_t> next_frame_;  // by video
};

}  // namespace

Result<std::vector<PictureView>> picture_views(const Engine& engine, const Request& request) {
  const Engine::Impl& model = engine.impl();
  AZ_ASSIGN_OR_RETURN(const engine::PolicyChoice policy, engine::choose_policy(model.spec.text, request.positions));
  AZ_ASSIGN_OR_RETURN(const engine::PreparedSample sample, engine::prepare(model, request, policy));
  int64_t frames = 0;
  for (const Span& span : sample.prompt.spans) frames += span.grid.t;
  if (!model.spec.vision) return std::vector<PictureView>{};
  SourceFinder finder(sample, model.processors, model.spec.vision->projector);
  std::vector<PictureView> views;
  for (size_t i = 0; i < sample.prompt.spans.size(); ++i) {
    const Span& span = sample.prompt.spans[i];
    const Source source = finder.find(span);
    if (source.patches == nullptr) continue;
    for (int64_t frame = 0; frame < span.grid.t; ++frame) {
      AZ_ASSIGN_OR_RETURN(const Image image, shrink(frame_of(*source.patches, source.first_frame + frame, *source.spec),
                                                    kPixelBudget / frames, *model.pool));
      PictureView view{i, frame, image.width, image.height, {}};
      AZ_ASSIGN_OR_RETURN(view.data_url, report::jpeg_data_url(image));
      views.push_back(std::move(view));
    }
  }
  return views;
}

}  // namespace azimuth
