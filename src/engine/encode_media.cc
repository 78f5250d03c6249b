#include <iterator>

#include "engine/hooks.h"
#include "engine/prepare.h"

namespace azimuth::engine {
namespace {

// Features of one medium, of which taps learn the number; what a hook writes goes on to the decoder.
Result<MediaFeatures> encode_one(const vision::Tower& tower, const preprocess::Patches& patches, int number,
                                 RunContext context) {
  const Tap* const outer = context.tap;
  const Tap numbered = [outer, number](TapPoint point, const TensorView& tensor) {
    point.media = number;
    (*outer)(point, tensor);
  };
  if (outer != nullptr) context.tap = &numbered;
  AZ_ASSIGN_OR_RETURN(MediaFeatures features, tower.encode(patches.pixels, patches.grid, context));
  TapPoint point;
  point.stage = Stage::features;
  point.media = number;
  AZ_RETURN_IF_ERROR(pass_tensor(context, point, features.features, true));
  point.stage = Stage::deepstack;
  for (size_t level = 0; level < features.deepstack.size(); ++level) {
    point.layer = static_cast<int>(level);
    AZ_RETURN_IF_ERROR(pass_tensor(context, point, features.deepstack[level], true));
  }
  return features;
}

}  // namespace

Result<std::vector<MediaFeatures>> encode_media(const Engine::Impl& model,
                                                std::span<const preprocess::Patches* const> media,
                                                const RunContext& context) {
  int64_t total = 0;
  for (const preprocess::Patches* patches : media) total += patches->grid.cells();
  std::vector<MediaFeatures> out;
  int64_t done = 0;
  for (const preprocess::Patches* patches : media) {
    const int64_t part = patches->grid.cells();
    AZ_ASSIGN_OR_RETURN(MediaFeatures features, encode_one(*model.tower, *patches, static_cast<int>(out.size()),
                                                           context.share(done, part, total)));
    out.push_back(std::move(features));
    done += part;
  }
  return out;
}

Result<SampleFeatures> encode_sample(const Engine::Impl& model, const PreparedSample& sample,
                                     const RunContext& context) {
  std::vector<const preprocess::Patches*> media;
  for (const auto& image : sample.images) media.push_back(&image);
  for (const auto& video : sample.videos) media.push_back(&video.patches);
  SampleFeatures out;
  AZ_ASSIGN_OR_RETURN(out.images, encode_media(model, media, context));
  const auto first_video = out.images.begin() + static_cast<std::ptrdiff_t>(sample.images.size());
  out.videos.assign(std::make_move_iterator(first_video), std::make_move_iterator(out.images.end()));
  out.images.erase(first_video, out.images.end());
  return out;
}

}  // namespace azimuth::engine
