#include <algorithm>
#include <iterator>

#include "engine/hooks.h"
#include "engine/prepare.h"
#include "vision/arrangement/arrangement.h"
#include "vision/canvas_tower.h"

namespace azimuth::engine {
namespace {

// Features of one tile or video, from the processor's array.
Result<MediaFeatures> encode_tile(const vision::Tower& tower, const preprocess::Patches& tile, bool tf4,
                                  const RunContext& context) {
  const VisionSpec& spec = tower.spec();
  const std::optional<GridResample> resample = tf4 ? spec.tf4_resample : std::nullopt;
  if (!tile.planes()) return tower.encode(tile.pixels, tile.grid, context, resample);
  const int64_t merge = spec.order == PatchOrder::merge_blocks ? spec.projector.merge : 1;
  return tower.encode(preprocess::patch_rows(tile, spec.patch, merge, context.pool), tile.grid, context, resample);
}

Result<MediaFeatures> encode_tiles(const vision::Tower& tower, const MediaToEncode& media, const RunContext& context) {
  if (tower.spec().canvas) return vision::encode_canvas(tower.spec(), tower.weights(), *media.pixels, context);
  const int64_t total = media.pixels->patches();
  int64_t done = 0;
  std::vector<MediaFeatures> tiles;
  for (const preprocess::Patches& tile : media.pixels->tiles) {
    const int64_t part = tile.grid.cells();
    AZ_ASSIGN_OR_RETURN(MediaFeatures features,
                        encode_tile(tower, tile, media.pixels->tf4, context.share(done, part, total)));
    tiles.push_back(std::move(features));
    done += part;
  }
  return vision::arrange(tower.spec(), tower.weights(), *media.pixels, media.video, std::move(tiles));
}

MediaFeatures copy_of(const MediaFeatures& given) {
  MediaFeatures out;
  out.grid = given.grid;
  out.features = given.features.clone();
  for (const Tensor& level : given.deepstack) out.deepstack.push_back(level.clone());
  out.arrays = given.arrays;
  out.filled_rows = given.filled_rows;
  return out;
}

// Features of one medium, of which taps learn the number; what a hook writes goes on to the decoder.
Result<MediaFeatures> encode_one(const vision::Tower& tower, const MediaToEncode& media, int number,
                                 RunContext context) {
  const Tap* const outer = context.tap;
  const Tap numbered = [outer, number](TapPoint point, const TensorView& tensor) {
    point.media = number;
    (*outer)(point, tensor);
  };
  if (outer != nullptr) context.tap = &numbered;
  AZ_ASSIGN_OR_RETURN(MediaFeatures features, media.pixels->given != nullptr ? copy_of(*media.pixels->given)
                                                                             : encode_tiles(tower, media, context));
  TapPoint point;
  point.stage = Stage::features;
  point.media = number;
  const bool shown = media.pixels->given == nullptr;  // the tower has shown its own
  AZ_RETURN_IF_ERROR(pass_tensor(context, point, features.features, shown));
  point.stage = Stage::deepstack;
  for (size_t level = 0; level < features.deepstack.size(); ++level) {
    point.layer = static_cast<int>(level);
    AZ_RETURN_IF_ERROR(pass_tensor(context, point, features.deepstack[level], shown));
  }
  return features;
}

}  // namespace

Result<std::vector<MediaFeatures>> encode_media(const Engine::Impl& model, std::span<const MediaToEncode> media,
                                                const RunContext& context) {
  int64_t total = 0;
  for (const MediaToEncode& each : media) total += each.pixels->patches();
  total = std::max<int64_t>(total, 1);
  const CancelScope scope(context.cancel);
  std::vector<MediaFeatures> out;
  int64_t done = 0;
  for (const MediaToEncode& each : media) {
    const int64_t part = each.pixels->patches();
    AZ_ASSIGN_OR_RETURN(MediaFeatures features,
                        encode_one(*model.tower, each, static_cast<int>(out.size()), context.share(done, part, total)));
    if (model.intact) AZ_RETURN_IF_ERROR(model.intact());
    AZ_RETURN_IF_ERROR(context.checkpoint(static_cast<double>(done + part) / static_cast<double>(total)));
    out.push_back(std::move(features));
    done += part;
  }
  return out;
}

Result<SampleFeatures> encode_sample(const Engine::Impl& model, const PreparedSample& sample,
                                     const RunContext& context) {
  std::vector<MediaToEncode> media;
  for (const auto& image : sample.images) media.push_back({&image, false});
  for (const auto& video : sample.videos) media.push_back({&video.media, true});
  SampleFeatures out;
  AZ_ASSIGN_OR_RETURN(out.images, encode_media(model, media, context));
  const auto first_video = out.images.begin() + static_cast<std::ptrdiff_t>(sample.images.size());
  out.videos.assign(std::make_move_iterator(first_video), std::make_move_iterator(out.images.end()));
  out.images.erase(first_video, out.images.end());
  return out;
}

}  // namespace azimuth::engine
